"""`python -m minnet` is the same as `minnet`."""

from minnet.cli import main

if __name__ == "__main__":
    main()
