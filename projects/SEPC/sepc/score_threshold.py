"""Score from which detections are shown where nobody asks for another threshold."""

from typing import Final

#: of the demo, the report, pictures of mistakes and the serving example; exported files name it as
#: ``shown_score``. What evaluation and exported files keep goes further down, as AP counts it.
SHOWN_SCORE: Final = 0.3
