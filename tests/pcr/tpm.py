"""A TPM emulator (swtpm) for a guest in QEMU, in whose way somebody listens: each extension of a register is seen, and
after the guest has ended the registers can be read, since the TPM goes on."""
import pathlib
import socket
import struct
import subprocess
import threading

# TPM 2.0 Library, part 2: TPM_ALG_ID, and how many bytes a digest has.
ALGORITHMS = {4: ("sha1", 20), 11: ("sha256", 32), 12: ("sha384", 48), 13: ("sha512", 64)}
PCR_EXTEND, PCR_READ = 0x182, 0x17E
# swtpm's control channel (swtpm_ioctls(3)); all else is handed on as it is.
CMD_INIT, CMD_SHUTDOWN, CMD_SET_DATAFD = 2, 3, 16
DONE = bytes(4)


def receive(connection, count):
    """Exactly so many bytes; fewer when the other side has gone."""
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data += more
    return data


def frame(connection):
    """A command or an answer of a TPM: tag, size, code, and the rest."""
    head = receive(connection, 10)
    return head + receive(connection, struct.unpack_from(">I", head, 2)[0] - 10) if len(head) == 10 else b""


def digests(data, offset):
    """(TPML_DIGEST_VALUES there as {algorithm: digest}, where it ends), with the byte order of the TPM's commands."""
    count, = struct.unpack_from(">I", data, offset)
    offset += 4
    found = {}
    for _ in range(count):
        algorithm, = struct.unpack_from(">H", data, offset)
        name, size = ALGORITHMS[algorithm]
        found[name] = data[offset + 2:offset + 2 + size]
        offset += 2 + size
    return found, offset


class Tpm:
    """The emulator and who listens. `path` is for QEMU's chardev; `extended` are the digests of PCR 7 since its start."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.path = folder / "tpm"
        self.extended = []
        self.emulator = subprocess.Popen(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}", "--ctrl", f"type=unixio,path={folder}/control",
             "--server", f"type=unixio,path={folder}/data", "--log", f"file={folder}/log", "--pid", f"file={folder}/pid",
             # It ends with the last who is connected, also where a test fails.
             "--terminate"],
            stdin=subprocess.DEVNULL)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.control = self.connect(folder / "control")
        self.data = self.connect(folder / "data")
        threading.Thread(target=self.serve_control, daemon=True).start()

    def connect(self, path):
        """To the emulator, which may be about to make its sockets; that it has ended is an error."""
        while self.emulator.poll() is None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(path))
                return connection
            except OSError:
                connection.close()
                try:
                    self.emulator.wait(0.05)
                except subprocess.TimeoutExpired:
                    pass
        raise RuntimeError("swtpm has ended")

    def serve_control(self):
        connection, _ = self.listener.accept()
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
            except OSError:
                return
            if not message:
                return
            command, = struct.unpack_from(">I", message)
            if command == CMD_SET_DATAFD:
                threading.Thread(target=self.serve_data, args=(socket.socket(fileno=descriptors[0]),), daemon=True).start()
            elif command != CMD_SHUTDOWN:
                if command == CMD_INIT:
                    self.extended.clear()
                self.control.sendall(message)
                connection.sendall(self.control.recv(4096))
                continue
            connection.sendall(DONE)

    def serve_data(self, guest):
        try:
            while command := frame(guest):
                self.look_at(command)
                guest.sendall(self.ask(command))
        except OSError:
            pass  # The guest has ended.

    def look_at(self, command):
        code, = struct.unpack_from(">I", command, 6)
        if code == PCR_EXTEND and struct.unpack_from(">I", command, 10)[0] == 7:
            size, = struct.unpack_from(">I", command, 14)
            self.extended.append(digests(command, 18 + size)[0])

    def ask(self, command):
        self.data.sendall(command)
        return frame(self.data)

    def pcr7(self, bank):
        """Its value, from the TPM itself."""
        algorithm, size = next((number, size) for number, (name, size) in ALGORITHMS.items() if name == bank)
        body = struct.pack(">IHB3B", 1, algorithm, 3, 0x80, 0, 0)
        answer = self.ask(struct.pack(">HII", 0x8001, 10 + len(body), PCR_READ) + body)
        value = answer[-size:]
        if struct.unpack_from(">I", answer, 6)[0] != 0 or len(answer) != 10 + 4 + 10 + 4 + 2 + size:
            raise RuntimeError(f"TPM2_PCR_Read: {answer.hex()}")
        return value.hex()

    def close(self):
        self.emulator.terminate()
        self.emulator.wait()
        for connection in (self.listener, self.control, self.data):
            connection.close()


def event_log(memory):
    """The events of the guest's event log that are about PCR 7, as (type, digests, data), found in its memory by its
    first event (TCG PC Client Platform Firmware Profile 1.06, 10.2 and 10.4.5.1)."""
    longest = []
    position = memory.find(b"Spec ID Event03\0")
    while position >= 0:
        start = position - 32
        if memory[start:start + 28] == struct.pack("<II", 0, 3) + bytes(20):
            size, = struct.unpack_from("<I", memory, start + 28)
            events = list(events_behind(memory, position + size))
            longest = max(longest, events, key=len)
        position = memory.find(b"Spec ID Event03\0", position + 1)
    return longest


def events_behind(memory, offset):
    """As far as they look like events: what is behind the last one is none."""
    while True:
        register, kind, count = struct.unpack_from("<III", memory, offset)
        if register > 23 or not 0 < count <= len(ALGORITHMS):
            return
        offset += 12
        found = {}
        for _ in range(count):
            algorithm, = struct.unpack_from("<H", memory, offset)
            if algorithm not in ALGORITHMS:
                return
            name, size = ALGORITHMS[algorithm]
            found[name] = bytes(memory[offset + 2:offset + 2 + size])
            offset += 2 + size
        size, = struct.unpack_from("<I", memory, offset)
        if register == 7:
            yield kind, found, bytes(memory[offset + 4:offset + 4 + size])
        offset += 4 + size
