"""The house stays a house: no file includes a room that rooms.txt does not let it include,
outside libraries are included only by the room that wraps them, and the tree keeps its habits.

Run: python3 test/tidy/rooms_test.py [ROOT]. Exit status 1 and one line a fault, or 0."""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2]).resolve()
SRC = ROOT / "src"

# header prefix -> the rooms that may include it
WRAPPED = {
    "openssl/": {"identity", "tls"},
    "google/protobuf": {"wire"},
    "envoy/": {"wire"},
    "nghttp2/": {"http"},
    "re2/": {"base"},
    "yaml.h": {"yaml"},
    "CLI/": {"cli"},
    "xxhash.h": {"balance"},
    "sys/epoll.h": {"io"},
    "sys/socket.h": {"io"},
    "sys/eventfd.h": {"io"},
    "sys/inotify.h": {"io"},
    "sys/signalfd.h": {"io"},
    "gtest/": None,
    "gmock/": None,
    "benchmark/": None,
}

BANNED = [
    (re.compile(r"\bsleep_for\(std|usleep\(|\bsleep\(\d"), "sleeps: wait for an event or a timer of the loop"),
    (re.compile(r"steady_clock::now|system_clock::now|clock_gettime"), "reads a clock: time comes from the Loop",),
    (re.compile(r"\bstd::rand\b|\brand\(\)|random_device"), "draws randomness from a global: take a Random&"),
    (re.compile(r"\busing namespace (?!std::chrono_literals|std::string_literals)"), "using namespace"),
]

# The roof and the command are one-threaded programs for a person: they seed generators and poll for processes.
EXEMPT_ROOMS = {"io", "base", "cli", "main"}
# The other places where it is right, each with its reason.
EXEMPT_FILES = {
    "src/telemetry/log_writer.cc": "a thread of its own, which may wait for a full pipe",
    "src/tls/stream.cc": "the library asks the time of a stream that has no loop at work",
}


def read_rooms():
    rooms = {}
    for line in (SRC / "rooms.txt").read_text().splitlines():
        match = re.match(r"^([a-z_]+):(.*)$", line)
        if match:
            rooms[match[1]] = set(match[2].split())
    return rooms


def main():
    rooms = read_rooms()
    faults = []
    for room, below in rooms.items():
        known = list(rooms)
        for other in below:
            if other not in rooms:
                faults.append(f"src/rooms.txt: {room} names the unknown room {other}")
            elif known.index(other) > known.index(room):
                faults.append(f"src/rooms.txt: {room} stands below {other}, which it includes")
    for folder in SRC.iterdir():
        if folder.is_dir() and folder.name not in rooms:
            faults.append(f"src/{folder.name}: a room that rooms.txt does not know")
    for path in sorted(list(SRC.rglob("*.h")) + list(SRC.rglob("*.cc"))):
        room = path.relative_to(SRC).parts[0]
        if room not in rooms:
            continue
        where = path.relative_to(ROOT)
        test = path.stem.endswith(("_test", "_fuzz", "_bench"))
        text = path.read_text()
        if path.suffix == ".h" and "#pragma once" not in text:
            faults.append(f"{where}: no #pragma once")
        for number, line in enumerate(text.splitlines(), 1):
            include = re.match(r'\s*#include\s+[<"]([^>"]+)[>"]', line)
            if include:
                target = include[1]
                head = target.split("/")[0]
                if head in rooms and (SRC / target).exists() and head != room and head not in rooms[room]:
                    faults.append(f"{where}:{number}: {room} may not include {head} ({target})")
                for prefix, allowed in WRAPPED.items():
                    if target.startswith(prefix) and allowed is not None and room not in allowed and not test:
                        faults.append(f"{where}:{number}: <{target}> belongs to {', '.join(sorted(allowed))}")
                continue
            if test or room in EXEMPT_ROOMS or str(where) in EXEMPT_FILES:
                continue
            code = line.split("//")[0]
            for pattern, why in BANNED:
                if pattern.search(code):
                    faults.append(f"{where}:{number}: {why}")
    for fault in faults:
        print(fault)
    print(f"{len(faults)} faults" if faults else "the house is in order")
    return 1 if faults else 0


sys.exit(main())
