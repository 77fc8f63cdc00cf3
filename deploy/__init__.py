"""How the parts are set up and run: on this machine (`deploy.local`) and in containers."""
