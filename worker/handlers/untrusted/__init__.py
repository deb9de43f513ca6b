"""Reading strangers' files: trees, texts and manifests, each within bounds."""
