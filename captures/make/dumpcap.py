"""A capture by dumpcap in which no packet is missing."""

import re
import signal
import subprocess
import time


class Capture:
    """Runs from when it is made; `shown` is a capture filter."""

    def __init__(self, raw, interface, shown):
        self.raw = raw
        command = ["dumpcap", "-q", "-i", interface, "-f", shown, "-w", raw]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if line.startswith("File:"):
                break
        time.sleep(0.4)

    def abandon(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends the capture when the file has stopped growing; what it holds."""
        size = -1
        while size != (size := self.raw.stat().st_size):
            time.sleep(0.6)
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate()[1]
        if not re.search(r"received/dropped on interface .*: (\d+)/0 \(pcap:0/dumpcap:0/", said):
            raise SystemExit(f"{self.raw.name}: packets were dropped:\n{said}")
        return self.raw.read_bytes()
