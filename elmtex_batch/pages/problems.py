"""What keeps a file, or a page of it, from being read; caught in `pages`, where it becomes a `Reason`."""

from elmtex_batch.reasons import Code


class PageProblem(Exception):
    """A page, or before any page the file, cannot be read. Carries a code and nothing of the content."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.value)
        self.code = code
