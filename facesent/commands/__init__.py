"""The commands of ``facesent``, a module a group; heavy imports stay inside the commands."""
