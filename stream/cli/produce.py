def produce_command() -> None:
    """placeholder"""
