"""The commands of facesent, one file a group."""
