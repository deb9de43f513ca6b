"""What workers say of themselves, as far as jobs may ask for it.

It uses nothing; begin reading at `labels.py`.
"""
