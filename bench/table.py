"""Tables of text for the benchmarks, printed row by row as the figures come."""


class Table:
    """`columns`: (title, width, format); a negative width is a column of text, to the left."""

    def __init__(self, columns):
        self.columns = columns

    def line(self, texts):
        padded = (text.ljust(-width) if width < 0 else text.rjust(width)
                  for text, (_, width, _) in zip(texts, self.columns))
        return " ".join(padded).rstrip()

    def head(self):
        return self.line(title for title, _, _ in self.columns)

    def row(self, *values):
        """None is a figure that there is not."""
        return self.line("-" if value is None else format(value, form)
                         for value, (_, _, form) in zip(values, self.columns))
