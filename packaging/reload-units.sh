# Daemons that run go on with the program that they were started with: no unit is restarted.
[ ! -d /run/systemd/system ] || systemctl --system daemon-reload >/dev/null 2>&1 || :
