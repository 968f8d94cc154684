"""A recording of what passes over a cable: captured, labelled, its truth written beside it."""

import json
import subprocess

import pcapng
from dumpcap import Capture


class Recording:
    """What the client's end of the cable sees between enter and exit.

    `folder` is where the file goes, `scratch` where it is made; `shown` is a capture filter; `truth`, which may grow
    until the end, is what the script knows and no dissector can say; `layer` is a display filter for what the file is
    about.
    """

    def __init__(self, name, *, folder, scratch, synthetic, limit, shown, layer, truth=None):
        self.name, self.folder, self.scratch, self.synthetic = name, folder, scratch, synthetic
        self.limit, self.shown, self.layer, self.truth = limit, shown, layer, truth

    def __enter__(self):
        self.capture = Capture(self.scratch / f"{self.name}.pcapng", "cl0", self.shown)
        return self

    def __exit__(self, kind, value, traceback):
        if kind is not None:
            self.capture.abandon()
            return
        data = self.changed(pcapng.label(self.capture.stop(), self.synthetic))
        if len(data) > self.limit:
            raise SystemExit(f"{self.name}: {len(data)} bytes")
        path = self.folder / f"{self.name}.pcapng"
        path.write_bytes(data)
        if self.truth is not None:
            save(self.folder, self.name, {"capture": path.name, "synthetic": self.synthetic, **self.truth})
        self.report(path, len(data))

    def changed(self, data):
        """The file as it is kept, which is the file as it was recorded."""
        return data

    def report(self, path, size):
        """What tshark, who knows nothing of the script, finds in the file."""
        fields = ["-T", "fields", "-e", "frame.number", "-e", "_ws.malformed"]
        command = ["tshark", "-n", "-r", path, "-Y", self.layer, *fields]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        malformed = [line.split("\t")[0] for line in lines if line.split("\t")[1]]
        remark = f"; malformed to tshark: packets {', '.join(malformed)}" if malformed else ""
        print(f"{path.name}: {size} bytes, {len(lines)} packets of {self.layer}{remark}", flush=True)


def save(folder, name, truth):
    (folder / "truth").mkdir(exist_ok=True)
    (folder / "truth" / f"{name}.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n")
