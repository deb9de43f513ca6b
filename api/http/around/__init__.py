"""What stands around the application and sees each request first (ASGI middleware).

Which pages may ask, and HEAD. `api/app.py` puts them into their order.
"""
