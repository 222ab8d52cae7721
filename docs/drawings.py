"""The drawings of how_it_works.md, as SVG: `python docs/drawings.py` writes them beside this file."""
from html import escape
from pathlib import Path

THREADS = "#cfe3f7", "#fbdcb6"      # a colour for each of two threads
PLAIN, INK = "#f2f2f2", "#333333"
WORK = "gather", "forward", "loss", "delta sweep"


class Drawing:
    """Shapes on white, in pixels from the upper left corner."""

    def __init__(self, width, height):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                      f'height="{height}" font-family="sans-serif" font-size="13" fill="{INK}">',
                      '<marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
                      f'<path d="M0 1 L7 4 L0 7 z" fill="{INK}"/></marker>',
                      f'<rect width="{width}" height="{height}" fill="white"/>']

    def box(self, x, y, width, height, fill, text=""):
        """A box with a text in its middle."""
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}" stroke="{INK}"/>')
        self.text(x + width / 2, y + height / 2 + 4, text, "middle")

    def text(self, x, y, text, anchor="start", size=13):
        """A line of text; y is where its letters stand."""
        if text:
            self.parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-size="{size}">{escape(text)}'
                              '</text>')

    def line(self, x, y, to_x, to_y, style):
        self.parts.append(f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{INK}" {style}/>')

    def arrow(self, x, y, to_x, to_y):
        self.line(x, y, to_x, to_y, 'marker-end="url(#tip)"')

    def barrier(self, x, y, to_y):
        """A line at which all threads wait for each other."""
        self.line(x, y, x, to_y, 'stroke-width="2" stroke-dasharray="6 4"')
        self.text(x, to_y + 16, "barrier", "middle")

    def svg(self):
        return "\n".join([*self.parts, "</svg>", ""])


def two_phases():
    """A batch: each thread takes blocks of its rows through all layers, then sums and steps its part of each W(l)."""
    drawing = Drawing(920, 290)
    drawing.text(20, 24, "Phase 1: rows", size=15)
    drawing.text(20, 44, "A thread takes its rows, a block at a time, through all layers.")
    drawing.text(556, 24, "Phase 2: weights", size=15)
    drawing.text(556, 44, "A thread owns a part of each W(l).")
    for thread, colour in enumerate(THREADS):
        top = 70 + 90 * thread
        for block in range(3):
            drawing.box(20, top + 26 * block, 90, 26, colour, f"block {3 * thread + block}")
        drawing.arrow(114, top + 39, 134, top + 39)
        for k, work in enumerate(WORK):
            drawing.box(140 + 92 * k, top + 20, 88, 38, colour, work)
        drawing.text(140, top + 12, f"thread {thread}")
    drawing.text(20, 262, "rows of the batch")
    drawing.barrier(528, 60, 244)
    for layer, (left, height) in enumerate([(556, 60), (622, 45)], 1):
        for thread, colour in enumerate(THREADS):
            drawing.box(left, 80 + height * thread, 54, height, colour, f"W({layer})")
    for thread in range(2):
        top = 90 + 66 * thread
        drawing.text(692, top, f"thread {thread} sums x(l-1) delta(l)")
        drawing.text(692, top + 18, "over all rows, in their order,")
        drawing.text(692, top + 36, "and steps its weights")
    drawing.barrier(888, 60, 244)
    return drawing.svg()


def tile():
    """A tile of AVX-512: eight rows of x meet three vectors of W, and their sums stay in 24 registers."""
    drawing = Drawing(760, 400)
    drawing.text(240, 24, "a row k of W(l): 48 units, three vectors of sixteen")
    for vector in range(3):
        drawing.box(240 + 120 * vector, 34, 116, 28, THREADS[1], f"vector {vector}")
    drawing.text(20, 92, "column k of x(l-1),")
    drawing.text(20, 110, "each number in")
    drawing.text(20, 128, "all 16 lanes")
    for row in range(8):
        top = 74 + 33 * row
        drawing.box(176, top, 56, 28, THREADS[0], f"x({row}, k)")
        for vector in range(3):
            drawing.box(240 + 120 * vector, top, 116, 28, PLAIN, "sum += x w")
    drawing.text(610, 150, "24 sums,")
    drawing.text(610, 168, "in registers,")
    drawing.text(610, 186, "each one chain")
    drawing.text(610, 204, "for k = 0, 1, 2, ..")
    drawing.arrow(417, 342, 417, 362)
    drawing.text(417, 380, "after the last k: bias and relu, and each sum is stored once", "middle")
    return drawing.svg()


DRAWINGS = {"two_phases.svg": two_phases, "tile.svg": tile}

if __name__ == "__main__":
    for name, drawn in DRAWINGS.items():
        (Path(__file__).parent / name).write_text(drawn())
