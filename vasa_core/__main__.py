"""The command line, `python -m vasa_core`; its commands are in `vasa_core.cli`."""

from __future__ import annotations

import sys

from vasa_core.cli import batch, evaluate, prepare, run, train  # noqa: F401 - they add their commands
from vasa_core.cli.options import cli
from vasa_core.cli.terminal import INTERRUPT, silence_native_libraries
from vasa_core.errors import Cancelled, InputError, MissingModelError

FAILED, BAD_INPUT = 1, 2


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, by default with the program's own arguments.

    Exit codes: 0 done, 1 failed, 2 bad input (one sentence), 128 + n ended by signal n.
    """
    silence_native_libraries()
    INTERRUPT.catch()
    try:
        cli(arguments)
    except (InputError, MissingModelError, Cancelled, OSError) as error:
        if INTERRUPT.number:  # Ctrl-C ends ffmpeg too, which looks like a bad file until the request to stop is seen
            sys.exit(INTERRUPT.exit_code)
        print(error, file=sys.stderr)
        sys.exit(BAD_INPUT if isinstance(error, InputError | MissingModelError) else FAILED)
    finally:
        INTERRUPT.leave()


if __name__ == "__main__":
    main()
