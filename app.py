"""The web app of a checkout or a Hugging Face Space: `vasa app`, with the same options."""

import sys

from vasa_core.__main__ import main

if __name__ == "__main__":
    main(["app", *sys.argv[1:]])
