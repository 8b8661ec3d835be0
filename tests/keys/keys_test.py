#!/usr/bin/env python3
"""varstore keys: usage: keys_test.py BIN SOURCE_FOLDER

BIN has the programs. Microsoft's certificates come from the data of VARSTORED_TEST_DATA; those of 2011 also from the
flash image of Debian's package ovmf.
"""
import contextlib
import http.server
import os
import pathlib
import re
import resource
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

BIN, SOURCE = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
sys.path.insert(0, str(SOURCE / "tests/backend/xapi"))
import guest  # pylint: disable=import-error,wrong-import-position

FLASH = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"
SNAKEOIL = "/usr/share/ovmf/PkKek-1-snakeoil.pem"
DATA = pathlib.Path(os.environ.get("VARSTORED_TEST_DATA", "/nowhere")) / "secureboot_objects"
BACKUP = re.compile(r"(PK|KEK|db|dbx)\.auth\.\d{8}T\d{6}Z\.[0-9a-f]{32}\.backup")
NOBODY = 65534


def manifest():
    """SHA-256 by need, of Microsoft's certificates in the manifest of `make auth`."""
    rows = re.findall(r"^(?:KEK|db) +(required|optional) +([0-9a-f]{64}) ", (SOURCE / "certs/manifest.txt").read_text(), re.M)
    return {need: {digest for row, digest in rows if row == need} for need in ("required", "optional")}


class Keys(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_tool(self, *words, program="varstore", **options):
        return subprocess.run([BIN / program, *words], capture_output=True, text=True, timeout=60, check=False,
                              cwd=self.folder, **options)

    def keys(self, exit_code, *words, **options):
        """Standard output, or standard error of what failed."""
        done = self.run_tool("keys", *words, **options)
        self.assertEqual(done.returncode, exit_code, done)
        if done.stdout:
            self.assertEqual(done.stderr, "")
            return done.stdout
        return done.stderr

    def openssl(self, *words):
        return subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder).stdout

    def make_own(self, output="own", *words):
        return self.keys(0, "make", "--profile", "own", "--output", output, *words)

    def take_own(self, output="own"):
        """A set of this name, made once for all tests."""
        made = SETS / output
        if not made.exists():
            self.make_own(made)
        shutil.copytree(made, self.folder / output)

    def make_microsofts(self, output, *words):
        if not DATA.is_dir():
            self.skipTest("VARSTORED_TEST_DATA has no certificates of Microsoft's")
        return self.keys(0, "make", "--from", DATA / "certificates", "--output", output, *words)


class Make(Keys):
    def test_own_keys_are_taken_by_a_vm_and_their_private_halves_are_kept_for_their_owner_alone(self):
        self.assertIn("New private keys: own/private", self.make_own())
        self.assertIn("A first boot takes these files", self.keys(0, "check", "own"))
        private = self.folder / "own/private"
        self.assertEqual(private.stat().st_mode & 0o777, 0o700)
        self.assertEqual(sorted(path.name for path in private.iterdir()),
                         ["KEK.key", "KEK.pem", "PK.key", "PK.pem", "db.key", "db.pem"])
        for name in ("PK", "KEK", "db"):
            self.assertEqual((private / f"{name}.key").stat().st_mode & 0o777, 0o600)
            public = self.openssl("x509", "-noout", "-pubkey", "-in", private / f"{name}.pem")
            self.assertEqual(self.openssl("pkey", "-pubout", "-in", private / f"{name}.key"), public)
            self.openssl("verify", "-CAfile", private / f"{name}.pem", private / f"{name}.pem")
        self.assertFalse((self.folder / "own/dbx.auth").exists())
        # A VM gets them from the host's tool as at its first boot; then a signed update with the key that was kept.
        (self.folder / "vm").write_bytes(guest.blob(guest.entry("Lang", b"eng\0", 7, guest.GLOBAL)))
        done = self.run_tool("vm", "user", "--auth-dir", "own", program="varstore-sb-state")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("varstored KEK 20", self.run_tool("edit", "vm", "KEK").stdout)
        self.openssl("x509", "-in", private / "KEK.pem", "-outform", "DER", "-out", "KEK.der")
        made = self.run_tool("-a", "-k", private / "PK.key", "-c", private / "PK.pem", "KEK", "KEK-more.auth", "KEK.der",
                             program="create-auth")
        self.assertEqual((made.returncode, made.stdout), (0, ""), made.stderr)

    def test_keys_that_were_kept_are_used_again_and_half_a_key_is_an_error(self):
        self.take_own("first")
        before = self.keys(0, "list", "--auth-dir", "first")
        again = self.make_own("second", "--private", "first/private")
        self.assertNotIn("New private keys", again)
        digests = re.findall("SHA-256 ([0-9a-f]{64})", before)
        self.assertEqual(len(digests), 3)
        self.assertEqual(re.findall("SHA-256 ([0-9a-f]{64})", self.keys(0, "list", "--auth-dir", "second")), digests)
        (self.folder / "first/private/PK.pem").unlink()
        said = self.keys(1, "make", "--profile", "own", "--private", "first/private", "--output", "third")
        self.assertIn("PK.pem is missing beside PK.key", said)
        self.assertIn("remove the other one and run this again", said)
        self.assertFalse((self.folder / "third").exists())

    @unittest.skipUnless(shutil.which("strace"), "needs strace")
    def test_a_run_that_is_killed_between_two_files_is_followed_by_one_that_ends_or_says_what_to_do(self):
        # The files appear with a link; the leak check does not work in a process that is traced.
        environment = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        appears = "linkat,rename,renameat,renameat2"
        ends = []
        for number in range(1, 9):
            output = self.folder / f"made{number}"
            words = (BIN / "varstore", "keys", "make", "--profile", "managed", "--from", DATA / "certificates", "--output", output)
            killed = subprocess.run(["strace", "-f", "-e", f"trace={appears}", "-e",
                                     f"inject={appears}:signal=KILL:when={number}", *words],
                                    capture_output=True, text=True, timeout=120, check=False, env=environment)
            there = {path.name for path in output.rglob("*")} & {"PK.key", "PK.pem", "PK.auth", "KEK.auth", "db.auth"}
            if killed.returncode == 0:
                break
            again = self.run_tool("keys", *words[2:])
            ends.append((len(there), again.returncode))
            if again.returncode == 0:
                # Whole pairs are used, and nothing of the killed run is left half.
                self.assertIn("A first boot takes these files", self.keys(0, "check", output))
                continue
            self.assertIn("PK.pem is missing beside PK.key" if "PK.pem" not in there else "it is there already", again.stderr)
            # What the message says helps.
            if "PK.pem" not in there:
                (output / "private/PK.key").unlink()
                self.assertEqual(self.run_tool("keys", *words[2:]).returncode, 0)
        # Half a pair, and files that were made in part, were among them.
        self.assertGreaterEqual(len(ends), 5, ends)
        self.assertIn((1, 1), ends)
        self.assertIn((2, 0), ends)

    def test_nothing_is_overwritten(self):
        self.take_own()
        before = (self.folder / "own/PK.auth").read_bytes()
        self.assertIn("it is there already", self.keys(1, "make", "--profile", "own", "--output", "own"))
        self.assertEqual((self.folder / "own/PK.auth").read_bytes(), before)
        # Nor are there keys afterwards of files that were not made.
        self.assertIn("it is there already", self.keys(1, "make", "--profile", "own", "--output", "own", "--private", "new"))
        self.assertFalse((self.folder / "new").exists())

    @unittest.skipUnless(os.geteuid() == 0, "another user's folder is a matter of root's")
    def test_root_takes_no_kept_key_from_a_folder_that_others_may_write(self):
        self.take_own()
        private = self.folder / "own/private"
        for mode, owner in ((0o777, 0), (0o770, 0), (0o700, NOBODY)):
            os.chmod(private, mode)
            os.chown(private, owner, owner)
            self.assertIn("others may write in this folder",
                          self.keys(1, "make", "--profile", "own", "--private", "own/private", "--output", "made"))
            self.assertFalse((self.folder / "made").exists())

    def test_a_kept_key_of_another_certificate_is_an_error(self):
        self.take_own()
        self.take_own("other")
        for name in ("PK", "KEK", "db"):
            shutil.copytree(self.folder / "own/private", self.folder / name)
            shutil.copy(self.folder / f"other/private/{name}.key", self.folder / name)
            self.assertIn(f"{name}.key, with {name}.pem: the key does not belong to the certificate",
                          self.keys(1, "make", "--profile", "own", "--private", name, "--output", "made"))
            self.assertFalse((self.folder / "made").exists())

    def test_what_is_missing_is_named_with_its_sha256_and_where_it_is_published(self):
        addresses = (SOURCE / "certs/README.md").read_text(encoding="utf-8")
        (self.folder / "nothing").mkdir()
        said = self.keys(1, "make", "--profile", "microsoft", "--from", "nothing", "--output", "made")
        rows = re.findall(r"^varstore keys: ([A-Za-z0-9 ]+): missing; SHA-256 ([0-9a-f]{64}), published at (https:\S+)$", said, re.M)
        self.assertEqual({digest for _, digest, _ in rows}, manifest()["required"])
        for name, _, url in rows:
            self.assertRegex(addresses, rf"\| {name} \|[^|]*\| <{re.escape(url)}> \|")
        self.assertFalse((self.folder / "made").exists())

    def test_a_folder_with_more_than_downloads_is_refused_before_it_is_all_in_memory(self):
        (self.folder / "large").mkdir()
        for number in range(100):
            with (self.folder / f"large/{number}").open("wb") as file:
                file.truncate(4 << 20)

        # AddressSanitizer reserves more than that at its start.
        is_sanitized = b"__asan_init" in (BIN / "varstore").read_bytes()

        def limit():
            if not is_sanitized:
                resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))

        self.assertIn("large: the files of the folders are larger than 33554432 bytes together",
                      self.keys(1, "make", "--profile", "own", "--from", "large", "--output", "made", preexec_fn=limit))
        self.assertFalse((self.folder / "made").exists())

    def test_a_distributions_flash_image_has_what_it_has(self):
        said = self.keys(1, "make", "--profile", "microsoft", "--from", FLASH, "--output", "made")
        self.assertEqual(re.findall(r"([A-Za-z0-9 ]+): missing;", said),
                         [" Microsoft Corporation KEK 2K CA 2023", " Windows UEFI CA 2023", " Microsoft UEFI CA 2023"])

    def test_a_flash_image_in_a_folder_is_read_as_one_that_is_named(self):
        (self.folder / "images").mkdir()
        shutil.copy(FLASH, self.folder / "images/firmware")
        named = self.keys(1, "make", "--profile", "microsoft", "--from", FLASH, "--output", "made")
        self.assertEqual(self.keys(1, "make", "--profile", "microsoft", "--from", "images", "--output", "made"), named)
        # One that is passed over is named.
        (self.folder / "images/disk.qcow2").write_bytes(b"QFI\xfb" + bytes(508))
        self.assertIn("disk.qcow2: a qcow2 image is not read in a folder: name it with --from",
                      self.keys(1, "make", "--profile", "microsoft", "--from", "images", "--output", "made"))

    def test_microsofts_certificates_are_known_by_what_they_are_not_by_their_names(self):
        if not DATA.is_dir():
            self.skipTest("VARSTORED_TEST_DATA has no certificates of Microsoft's")
        downloads = self.folder / "downloads"
        downloads.mkdir()
        for number, path in enumerate(sorted((DATA / "certificates").iterdir())):
            if "2011" in path.name:
                continue
            if number % 2:
                shutil.copy(path, downloads / f"{number}.bin")
            else:
                self.openssl("x509", "-inform", "DER", "-in", path, "-out", downloads / f"{number}.txt")
        (downloads / "garbage").write_bytes(bytes(range(256)) * 9)
        shutil.copy(SNAKEOIL, downloads / "microsoft_uefi_ca_2023.crt")
        said = self.keys(0, "make", "--profile", "microsoft", "--from", downloads, "--from", FLASH, "--output", "made")
        self.assertIn("The private key of PK was thrown away", said)
        # Nowhere: neither in a folder nor in a file.
        self.assertEqual(sorted(path.name for path in (self.folder / "made").iterdir()),
                         ["KEK.auth", "PK.auth", "db.auth", "dbx.auth"])
        for path in (self.folder / "made").iterdir():
            self.assertNotIn(b"PRIVATE KEY", path.read_bytes())
        self.assertIn("A first boot takes these files", self.keys(0, "check", "made"))
        listed = self.keys(0, "list", "--auth-dir", "made")
        found = set(re.findall("SHA-256 ([0-9a-f]{64})", listed))
        self.assertEqual(len(found), 1 + len(manifest()["required"] | manifest()["optional"]))
        self.assertLess(manifest()["required"] | manifest()["optional"], found)
        self.assertNotIn("nakeoil", listed)
        done = self.run_tool("--auth-dir", "made", program="varstore-authfile-certcheck")
        self.assertEqual(done.stdout, "updated\n")

    def test_revocations_come_from_json_and_from_signed_updates_each_once(self):
        self.make_microsofts("json", "--profile", "microsoft", "--from", DATA / "dbx/dbx_info_msft_latest.json")
        self.make_microsofts("both", "--profile", "managed", "--from", DATA / "dbx/dbx_info_msft_latest.json",
                             "--from", DATA / "dbx/DBXUpdate_amd64.bin")
        counts = [re.search(r"^  (\d+) SHA-256$", self.keys(0, "list", "--auth-dir", name), re.M)[1] for name in ("json", "both")]
        self.assertEqual(counts, ["443", "443"])
        self.assertEqual(sorted(path.name for path in (self.folder / "both/private").iterdir()), ["PK.key", "PK.pem"])


@unittest.skipUnless(DATA.is_dir(), "VARSTORED_TEST_DATA has no certificates of Microsoft's")
class Download(Keys):
    """From a server with a certificate of an authority of its own, at Microsoft's paths."""

    def setUp(self):
        super().setUp()
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.pem", "-days", "2",
                     "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")

    def numbers(self):
        """The number in Microsoft's address, by the certificate's file."""
        rows = re.findall(r"\| ([^|]+) \|[^|]*\| <https://go.microsoft.com/fwlink/\?LinkId=(\d+)> \|",
                          (SOURCE / "certs/README.md").read_text(encoding="utf-8"))
        files = {"Microsoft Corporation KEK CA 2011": "MicCorKEKCA2011_2011-06-24",
                 "Microsoft Corporation KEK 2K CA 2023": "microsoft_corporation_kek_2k_ca_2023",
                 "Microsoft Windows Production PCA 2011": "MicWinProPCA2011_2011-10-19",
                 "Windows UEFI CA 2023": "windows_uefi_ca_2023",
                 "Microsoft Corporation UEFI CA 2011": "MicCorUEFCA2011_2011-06-27",
                 "Microsoft UEFI CA 2023": "microsoft_uefi_ca_2023",
                 "Microsoft Option ROM UEFI CA 2023": "microsoft_option_rom_uefi_ca_2023"}
        return {number: DATA / f"certificates/{files[name]}.der" for name, number in rows}

    @contextlib.contextmanager
    def server(self, files):
        """Gives its address and the paths that were asked for. A link leads to the file, as Microsoft's do."""
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                asked.append(self.path)
                link = re.fullmatch(r"/fwlink/\?LinkId=(\d+)", self.path)
                file = files.get(self.path[len("/file/"):]) if self.path.startswith("/file/") else None
                if link and link[1] in files:
                    self.send_response(302)
                    self.send_header("Location", f"/file/{link[1]}")
                    self.end_headers()
                elif file:
                    self.send_response(200)
                    self.end_headers()
                    self.wfile.write(file.read_bytes())
                else:
                    self.send_error(404)

            def log_message(self, format, *args):  # pylint: disable=redefined-builtin
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://localhost:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def download(self, exit_code, url, *words):
        return self.keys(exit_code, "make", "--profile", "microsoft", "--download", "--url-base", url, "--output", "made", *words)

    def test_what_is_missing_is_fetched_and_nothing_else(self):
        with self.server(self.numbers()) as (url, asked):
            self.download(0, url, "--cacert", "server.pem", "--from", FLASH)
        links = [path for path in asked if path.startswith("/fwlink")]
        self.assertEqual(len(links), 4, links)  # those of 2011 are in the flash image
        listed = self.keys(0, "list", "--auth-dir", "made")
        self.assertLess(manifest()["required"] | manifest()["optional"], set(re.findall("SHA-256 ([0-9a-f]{64})", listed)))

    def test_something_else_is_refused_and_nothing_is_made(self):
        files = self.numbers()
        files["2239776"] = files["2239775"]
        with self.server(files) as (url, _):
            self.assertRegex(self.download(1, url, "--cacert", "server.pem"), r"Windows UEFI CA 2023: .*something else")
        self.assertFalse((self.folder / "made").exists())

    def test_a_file_that_is_not_there_and_a_server_that_nobody_vouches_for_are_errors(self):
        with self.server({}) as (url, asked):
            self.assertIn("404", self.download(1, url, "--cacert", "server.pem"))
            count = len(asked)
            self.assertIn("certificate", self.download(1, url))
            self.assertEqual(len(asked), count)
        self.assertFalse((self.folder / "made").exists())


class Check(Keys):
    def check(self, *lines, folder="own"):
        """Wrong, and says each of these."""
        said = self.keys(2, "check", folder)
        self.assertEqual(said.count("wrong: "), len(lines), said)
        for line in lines:
            self.assertIn(line, said)

    def test_a_missing_file_is_wrong(self):
        (self.folder / "own").mkdir()
        self.check("PK.auth is missing")
        (self.folder / "own").rmdir()
        self.take_own()
        (self.folder / "own/KEK.auth").unlink()
        self.check("KEK.auth is missing")
        self.keys(1, "check", "nowhere")

    def test_files_of_two_sets_and_with_wrong_names_are_wrong(self):
        self.take_own()
        self.take_own("other")
        shutil.copy(self.folder / "other/db.auth", self.folder / "own/db.auth")
        self.check('db.auth: signed by "varstored PK')
        shutil.copy(self.folder / "own/KEK.auth", self.folder / "own/db.auth")
        self.check("db.auth: what it holds was signed for KEK")

    def test_what_kek_signed_is_right(self):
        self.take_own()
        made = self.run_tool("-k", "own/private/KEK.key", "-c", "own/private/KEK.pem", "db", "own/db.auth",
                             "own/private/db.pem", program="create-auth")
        self.assertEqual(made.returncode, 0, made)
        said = self.keys(0, "check", "own")
        self.assertNotIn("signed", said)
        self.assertNotIn("Microsoft as its owner", said)
        made = self.run_tool("db", "own/db.auth", "own/private/db.pem", program="create-auth")
        self.assertEqual(made.returncode, 0, made)
        self.assertIn("note: db.auth: not signed", self.keys(0, "check", "own"))

    def test_keys_that_everybody_has_are_wrong(self):
        self.take_own()
        made = self.run_tool("db", "own/db.auth", SNAKEOIL, program="create-auth")
        self.assertEqual(made.returncode, 0, made)
        self.check("whose private half is in the package ovmf")

    def test_a_certificate_of_2011_without_its_successor_is_wrong(self):
        if not DATA.is_dir():
            self.skipTest("VARSTORED_TEST_DATA has no certificates of Microsoft's")
        self.take_own()
        made = self.run_tool("db", "own/db.auth", DATA / "certificates/MicWinProPCA2011_2011-10-19.der", program="create-auth")
        self.assertEqual(made.returncode, 0, made)
        self.check("Microsoft Windows Production PCA 2011 is there without its successor, Windows UEFI CA 2023")

    def test_a_file_that_no_first_boot_takes_is_wrong(self):
        self.take_own()
        (self.folder / "own/db.auth").write_bytes(b"\x1b[31m garbage")
        self.assertIn("wrong: ", self.keys(2, "check", "own"))


@unittest.skipUnless(os.geteuid() == 0, "only root installs keys")
class Install(Keys):
    def setUp(self):
        super().setUp()
        self.host, self.backups = self.folder / "host", self.folder / "backups"

    def install(self, exit_code, source, *words, **options):
        return self.keys(exit_code, "install", source, "--auth-dir", self.host, "--backup-folder", self.backups, *words, **options)

    def content(self):
        return {path.name: path.read_bytes() for path in self.host.iterdir()}

    def given(self, source):
        return {path.name: path.read_bytes() for path in (self.folder / source).glob("*.auth")}

    def test_what_was_there_goes_to_a_backup_and_what_is_not_among_the_files_goes(self):
        self.host.mkdir()
        self.keys(0, "make", "--profile", "own", "--from", FLASH, "--output", "with-dbx")
        self.take_own("without")
        self.install(0, "with-dbx")
        before = self.content()
        self.assertEqual(before, self.given("with-dbx"))
        self.assertIn("dbx.auth", before)
        said = self.install(0, "without")
        self.assertEqual(self.content(), self.given("without"))
        kept = {BACKUP.fullmatch(path.name)[1] + ".auth": path.read_bytes() for path in self.backups.iterdir()}
        self.assertEqual(kept, before)
        for path in self.backups.iterdir():
            self.assertIn(f"backup: {path}\n", said)
        self.assertIn("VMs that have keys keep them", said)

    def test_wrong_files_are_installed_only_when_that_is_asked_for(self):
        self.host.mkdir()
        self.take_own()
        (self.folder / "own/KEK.auth").unlink()
        self.assertIn("varstore keys check own says what", self.install(1, "own"))
        self.assertEqual(self.content(), {})
        self.install(0, "own", "--force")
        self.assertEqual(self.content(), self.given("own"))

    def test_when_one_cannot_be_written_those_before_it_are_put_back(self):
        self.host.mkdir()
        self.take_own("small")
        self.install(0, "small")
        before = self.content()
        self.make_microsofts("large", "--profile", "microsoft", "--from", FLASH)
        # dbx fits, db does not; then the write fails, instead of ending the process.
        sizes = [(self.folder / "large" / name).stat().st_size for name in ("dbx.auth", "db.auth")]
        self.assertLess(sizes[0], 4096)
        self.assertGreater(sizes[1], 4096)
        said = self.install(1, "large", restore_signals=False, preexec_fn=lambda: (
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))))
        self.assertIn("nothing was changed", said)
        self.assertEqual(self.content(), before)

    def test_only_root_does(self):
        self.take_own()
        self.host.mkdir()
        # Another user may come as far as the command.
        for path in (self.folder, self.folder / "own"):
            path.chmod(0o755)
        done = subprocess.run(["setpriv", "--reuid", str(NOBODY), "--clear-groups", BIN / "varstore", "keys", "install",
                               self.folder / "own", "--auth-dir", self.host], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("only root", done.stderr)
        self.assertEqual(self.content(), {})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as sets:
        SETS = pathlib.Path(sets)
        unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
