"""What the benchmarks' command lines have in common."""

import argparse


def words(text):
    return [word for word in text.split(",") if word]


def numbers(text):
    try:
        return [int(word) for word in words(text)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected numbers, e.g. 4,7, found {text!r}") from None
