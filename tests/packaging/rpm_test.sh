#!/bin/sh
# The .rpm takes the place of the older daemon's, keeps what is the administrator's, and goes again: usage:
# rpm_test.sh SOURCE_FOLDER BUILD_FOLDER
set -eu

. "$(dirname "$0")/support.sh"
need_root
need_debian
trap 'rm -rf "$work"' EXIT
# Its shell runs the scripts of the packages; nothing else of it counts.
root=$work/host
cp -a "$build/packaging/debian" "$root"
mkdir -p "$root/opt/xensource/bin"
: >"$root/opt/xensource/bin/xapi"

# on_host OPTION...: rpm, with the folder as the host.
on_host() {
  rpm --root "$root" --dbpath /var/lib/rpm "$@" >"$work/out" 2>&1 || {
    cat "$work/out"
    fail "rpm $*"
  }
}

# mode PATH MODE
mode() {
  [ "$(stat -c '%a %U:%G' "$root$1")" = "$2 root:root" ] || fail "$1: $(stat -c '%a %U:%G' "$root$1")"
}

# The packages that a host of today has: of a higher version, with keys, and a shell.
cat >"$work/older.spec" <<'END'
%define _build_id_links none
Name: varstored
Version: 1.2.0
Release: 2.3
Summary: A stand-in
License: none
BuildArch: x86_64
Provides: /bin/sh
%description
A stand-in.
%package tools
Summary: A stand-in
%description tools
A stand-in.
%install
mkdir -p %{buildroot}/usr/sbin %{buildroot}/usr/bin %{buildroot}/usr/share/varstored %{buildroot}/opt/xensource/libexec
echo old >%{buildroot}/usr/sbin/varstored
echo old >%{buildroot}/usr/bin/varstore-ls
echo old >%{buildroot}/opt/xensource/libexec/create-auth
echo key >%{buildroot}/usr/share/varstored/PK.auth
%post
ln -sf -T /usr/share/varstored /var/lib/varstored
%files
/usr/sbin/varstored
/usr/share/varstored
%files tools
/usr/bin/varstore-ls
/opt/xensource/libexec/create-auth
END
sed 's/^Name: .*/Name: shell/; /^%post$/,$d; /^mkdir/d; /^echo/d; /^%package/,/^A stand-in/d' "$work/older.spec" \
  >"$work/shell.spec"
echo '%files' >>"$work/shell.spec"
sed -i '/^Provides/d' "$work/older.spec"
for spec in shell older; do
  rpmbuild -bb --define "_topdir $work/rpm" "$work/$spec.spec" >"$work/out" 2>&1 || {
    cat "$work/out"
    fail "the stand-in cannot be made"
  }
done
on_host -U "$work"/rpm/RPMS/*/*.rpm
[ "$(cat "$root/usr/share/varstored/PK.auth")" = key ] || fail "the stand-in has no key"

# A key that cannot be copied stays where it is, with its package; so do the one before and the one after it.
mkdir "$root/bin.of.the.test"
mv "$(readlink -f "$root/bin")/cp" "$root/bin.of.the.test/cp"
cat >"$(readlink -f "$root/bin")/cp" <<'END'
#!/bin/sh
case "$*" in
  *PK.auth*) : >/usr/share/varstored/.kept/PK.auth; exit 1 ;;
esac
exec /bin.of.the.test/cp "$@"
END
chmod 755 "$(readlink -f "$root/bin")/cp"
echo other | tee "$root/usr/share/varstored/KEK.auth" >"$root/usr/share/varstored/ZZ.auth"
rpm --root "$root" --dbpath /var/lib/rpm -U "$packages"/varstored-1*.rpm >"$work/out" 2>&1 &&
  fail "the installation goes on without the key"
grep -q 'PK.auth cannot be copied' "$work/out" || fail "nothing is said of the key: $(cat "$work/out")"
[ "$(cat "$root/usr/share/varstored/PK.auth")" = key ] || fail "the key is gone"
[ "$(cat "$root/usr/share/varstored/KEK.auth")" = other ] || fail "the other key is gone"
[ ! -e "$root/usr/share/varstored/.kept" ] || fail "half a copy is left over"
[ "$(cat "$root/usr/sbin/varstored")" = old ] || fail "the daemon was replaced"
rm "$root/usr/share/varstored/KEK.auth" "$root/usr/share/varstored/ZZ.auth"
mv "$root/bin.of.the.test/cp" "$(readlink -f "$root/bin")/cp"

on_host -U "$packages"/*.rpm
on_host -q varstored varstored-tools
if grep -qv '1\.0\.0-1\.x86_64$' "$work/out"; then fail "the older package stays: $(cat "$work/out")"; fi
[ "$("$root/usr/sbin/varstored" --version)" = "varstored 1.0.0" ] || fail "the new daemon is not there"
[ "$(cat "$root/usr/share/varstored/PK.auth")" = key ] || fail "the key went with the older package"
[ "$(readlink "$root/var/lib/varstored")" = /usr/share/varstored ] || fail "the link to the keys is gone"
[ ! -e "$root/usr/share/varstored/.kept" ] || fail "a copy of the keys is left over"
on_host -V varstored varstored-tools
for file in /usr/sbin/varstored /usr/bin/varstore-ls /usr/bin/create-auth /usr/share/varstored; do
  mode "$file" 755
done
mode /etc/varstored.conf 644
[ "$(readlink "$root/opt/xensource/libexec/create-auth")" = ../../../usr/bin/create-auth ] || fail "no link to create-auth"

# rpm of dom0 (4.11) knows these words and no others.
for package in "$packages"/*.rpm; do
  wanted=$(rpm -qp --requires "$package" | grep -v -e '^rpmlib(CompressedFileNames)' -e '^rpmlib(FileDigests)' \
    -e '^rpmlib(PayloadFilesHavePrefix)' -e '^rpmlib(PayloadIsXz)' -e '^/bin/sh$' || :)
  [ -z "$wanted" ] || fail "$package needs $wanted"
done

# A later version, with another configuration, keeps the administrator's.
echo 'log-level = warning' >>"$root/etc/varstored.conf"
on_host -U --replacepkgs --oldpackage "$packages"/varstored-1*.rpm
grep -q '^log-level = warning$' "$root/etc/varstored.conf" || fail "the change of the configuration is lost"

# The older daemon can come back.
on_host -U --oldpackage "$work"/rpm/RPMS/*/varstored-*.rpm
[ "$(cat "$root/usr/sbin/varstored")" = old ] || fail "the older daemon does not come back"
grep -q '^log-level = warning$' "$root"/etc/varstored.conf.rpmsave || fail "the configuration is lost"
on_host -U "$packages"/*.rpm

# Erased: nothing of an administrator's goes.
echo 'log-level = warning' >>"$root/etc/varstored.conf"
on_host -e varstored varstored-tools
[ ! -e "$root/usr/sbin/varstored" ] || fail "the daemon is still there"
[ "$(cat "$root/usr/share/varstored/PK.auth")" = key ] || fail "the key went with the package"
grep -q '^log-level = warning$' "$root"/etc/varstored.conf.rpmsave || fail "the configuration is lost"

# A host without XAPI and without anything: a folder, and the variables in it stay.
rm -rf "$root/opt" "$root/var/lib/varstored" "$root/usr/share/varstored"
on_host -U "$packages"/*.rpm
[ "$(stat -c %F "$root/var/lib/varstored")" = directory ] || fail "/var/lib/varstored is no folder"
mkdir "$root/var/lib/varstored/vm"
on_host -e varstored varstored-tools
[ -d "$root/var/lib/varstored/vm" ] || fail "a VM's folder went with the package"
echo "took the older daemon's place, gave it back, and left what is the administrator's"
