"""What is inside a row beside its tokens: where documents and padding begin, and how far a token is from the start of its own."""

from __future__ import annotations

import numpy as np


class RowShape:
    """What every reader of rows can say of a row, given where its documents begin and what of the stream it holds."""

    def document_starts(self, domain: int, start: int, width: int) -> np.ndarray:
        """Places in a row at which a document begins, of a packed row its pieces: ascending, in [0, width). int64."""
        raise NotImplementedError

    def stretches(self, domain: int, start: int, width: int) -> np.ndarray:
        """The stretches of the stream that a row holds, (n, 2): first token and tokens. What they leave of its width is padding."""
        raise NotImplementedError

    def boundaries(self, domain: int, start: int, width: int) -> np.ndarray:
        """Where what may attend to each other begins and ends: 0, the starts of documents, that of padding, and the width. int32."""
        filled = int(self.stretches(domain, start, width)[:, 1].sum())
        edges = np.concatenate(([0], self.document_starts(domain, start, width), [filled, width]))
        return np.unique(edges).astype(np.int32)

    def positions(self, domain: int, start: int, width: int) -> np.ndarray:
        """Position ids of a row: each token's distance from the start of its document, or of the row or padding if that is nearer. int32."""
        begins = np.zeros(width, dtype=np.int32)
        edges = self.boundaries(domain, start, width)[:-1]
        begins[edges] = edges
        return np.arange(width, dtype=np.int32) - np.maximum.accumulate(begins)
