"""Start and stop the local servers: `python -m deploy.local start|stop`."""

import argparse
import sys

from deploy.local.errors import LocalError
from deploy.local.parts import say
from deploy.local.stack import export_lines, start_stack, stop_stack


def main() -> int:
    """Do what the command line says; return the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("action", choices=["start", "stop"])
    parser.add_argument("--database", choices=["mysql", "mariadb"], default="", help="default: MySQL if it can be had")
    parser.add_argument("--registry", action="store_true", help="start a schema registry too")
    arguments = parser.parse_args()
    try:
        if arguments.action == "stop":
            stop_stack()
        else:
            sys.stdout.write(export_lines(start_stack(flavour=arguments.database, with_registry=arguments.registry)))
    except LocalError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
