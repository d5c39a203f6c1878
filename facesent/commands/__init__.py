"""The commands of facesent, one file per group."""
