"""How is a picture declared that follows its numbers? Shapes in SVG with placeholders.

Each part of a `Sketch` is a text of `template`: shapes, or a `Repeat` of shapes. What is filled in
is escaped, so that text from a guest cannot become markup. Colours come from the classes of
figure.css, which are the palette's; the functions of `drawing` write shapes that may hold
placeholders too.
"""

from virtlab.explore.drawing import svg
from virtlab.explore.template import Template


class Sketch:
    """A picture in SVG.

    Parameters
    ----------
    width : int, in units of the picture; the page scales it
    height : int, or a template of one
    parts : texts, one shape or several each
    """

    def __init__(self, width: int, height: int | str, *parts):
        self.width = width
        self.height = Template(str(height))
        self.parts = [Template(part) for part in parts]

    def check(self, kinds, labels) -> None:
        """TemplateError if a part needs what is not there."""
        for part in (self.height, *self.parts):
            part.check(kinds, labels)

    def draw(self, scope, labels, description: str) -> str:
        """The picture; `description` is read aloud in its place."""
        shapes = [part.fill(scope, labels, markup=True) for part in self.parts]
        return svg(self.width, self.height.fill(scope, labels), description, *shapes)

    def spec(self) -> dict:
        """The picture for a page."""
        return {
            "kind": "sketch",
            "width": self.width,
            "height": self.height.spec(),
            "parts": [part.spec() for part in self.parts],
        }
