"""Where the training's messages go: to logging if it is set up, else they are printed."""

import logging


def info(message: str, *args, logger=None) -> None:
    """Log at INFO; print instead where nobody set logging up, so that nothing is lost unseen.

    `logger`: a Logger, or the module `logging` itself, or None for the root logger.
    """
    target = logging.getLogger() if logger in (None, logging) else logger
    if target.hasHandlers():
        target.info(message, *args)
    elif target.isEnabledFor(logging.INFO):
        logging.basicConfig()  # as logging.info does: a handler that writes to stderr
        target.info(message, *args)
    else:
        print(message % args if args else message, flush=True)
