"""Set-up of the parts: on this machine (`deploy.local`) and in containers."""
