"""Builders of images: Docker, Podman and Buildah behind one port (`builder.Builder`)."""
