"""Drawing of the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

BOX_COLOUR = (64, 255, 96)
MARK_COLOUR = (255, 64, 64)


def draw_faces(photograph: NDArray[np.uint8], faces: NDArray[Any], path: Path) -> None:
    """Writes the photograph with a box, the score and five dots for each face."""
    picture = Image.fromarray(photograph)
    canvas = ImageDraw.Draw(picture)
    for face in faces:
        x1, y1, x2, y2, score = (float(v) for v in face[:5])
        canvas.rectangle((x1, y1, x2, y2), outline=BOX_COLOUR, width=3)
        canvas.text((x1 + 4, y1 + 4), f"{score:.3f}", fill=BOX_COLOUR)
        for x, y in face[5:].reshape(5, 2).tolist():
            canvas.ellipse((x - 3, y - 3, x + 3, y + 3), fill=MARK_COLOUR)
    picture.save(path)
