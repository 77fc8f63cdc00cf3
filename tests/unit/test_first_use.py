"""Two lanes may meet an event for the first time at the same moment: by then nothing of it is left to be worked out."""

from __future__ import annotations

import subprocess
import sys

from tests.consumers import CHECKOUT

# In an interpreter of its own, where no other test has used the events yet. What msgspec works out, it works out with
# functions written in Python; while it does, other threads see a class half done, and end by signal 11.
LISTEN = """
import sys
from stream.catalog import STREAMS
import msgspec

worked_out = set()

def listen(frame, happening, _):
    if happening == "call" and frame.f_globals.get("__name__") == "msgspec._utils":
        worked_out.add(event.__name__)

def meet(event):
    sys.setprofile(listen)
    try:
        msgspec.convert({name: "1" for name in event.__struct_fields__}, event)
    except msgspec.ValidationError:
        pass
    finally:
        sys.setprofile(None)

class Unmet(msgspec.Struct):
    number: int

for event in (Unmet, *(event for stream in STREAMS.values() for event in stream.routes)):
    meet(event)
print(*sorted(worked_out))
"""


def test_every_event_is_worked_out_before_its_first_record() -> None:
    heard = subprocess.run([sys.executable, "-c", LISTEN], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert heard.stdout.split() == ["Unmet"]  # which shows that the listening works
