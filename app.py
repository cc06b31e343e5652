"""The web app of a checkout or a Hugging Face Space; `vasa app` opens the same one."""

from vasa_core.app import build_app, main

__all__ = ["build_app", "main"]

if __name__ == "__main__":
    main()
