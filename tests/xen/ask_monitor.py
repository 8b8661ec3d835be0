#!/usr/bin/env python3
"""ask_monitor.py SOCKET: prints what QEMU's monitor says of its processors and their interrupts, and ends QEMU."""
import json
import socket
import sys

QUESTIONS = ["info status", "info registers -a", "x/8i $pc", "info lapic", "info pic"]

with socket.socket(socket.AF_UNIX) as monitor:
    monitor.settimeout(10)
    monitor.connect(sys.argv[1])
    lines = monitor.makefile("rw", encoding="utf-8")

    def ask(command, **arguments):
        """The result of a command; what QEMU tells unasked is passed over."""
        print(json.dumps({"execute": command, "arguments": arguments}), file=lines, flush=True)
        for line in lines:
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                return answer.get("return", answer.get("error"))
        return None

    ask("qmp_capabilities")
    for question in QUESTIONS:
        print(question)
        print(ask("human-monitor-command", **{"command-line": question}))
    ask("quit")
