# Finds a Python, puts the agent there if it is not, and becomes its front end.
# Arguments: digest and size in bytes of the zipapp; another command of the agent than rpc.
# Read from standard input (sh -s), so that any login shell will do and nothing has to be quoted.
# Asked for with the line {"need":"DIGEST"}, the client sends the zipapp on the same standard input.
# A login script may have left its last line open: ours begin with a line's end.
arb_find_python() {
  # A minimal one lacks parts of its library that the agent needs.
  for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 \
    python /usr/bin/python3 /usr/local/bin/python3 "$HOME/miniconda3/bin/python3" \
    "$HOME/anaconda3/bin/python3" /opt/conda/bin/python3 /opt/miniconda3/bin/python3; do
    found=$(command -v "$name" 2>/dev/null) || continue
    found=$("$found" -I -S -c 'import compileall, fcntl, hashlib, json, select, shlex
import shutil, signal, socket, subprocess, sys, traceback, zipfile
if sys.version_info >= (3, 8): print(sys.executable)' 2>/dev/null) || continue
    [ -n "$found" ] && return 0
  done
  return 1
}

arb_main() {
  : "${HOME:?arb: HOME is not set}"
  export HOME
  folder="$HOME/.arb/agent/$1"
  # A power cut soon after it was put there leaves empty files.
  if [ -e "$folder/ready" ] && read -r ready < "$folder/ready" && [ "$ready" = "$1" ] &&
    read -r python < "$folder/python" && [ -x "$python" ]; then
    exec "$python" -I -S "$folder/__main__.py" "${3:-rpc}"
  fi
  if ! arb_find_python; then
    echo
    echo "arb: no Python 3.8 or newer with its standard library on this node (looked for python3," \
      "python3.8 to python3.14 and python on PATH and in the usual folders)"
    exit 127
  fi
  exec "$found" -I -S -c 'import hashlib, os, sys
digest, size = sys.argv[1], int(sys.argv[2])
sys.stdout.write("\n{\"need\":\"%s\"}\n" % digest)
sys.stdout.flush()
parts = []
while size > 0:
    part = os.read(0, min(size, 65536))
    if not part:
        sys.exit("arb: the connection ended before the agent was there")
    parts.append(part)
    size -= len(part)
data = b"".join(parts)
if hashlib.sha256(data).hexdigest()[:16] != digest:
    sys.exit("arb: the agent arrived damaged")
os.umask(0o077)
folder = os.path.join(os.environ["HOME"], ".arb", "agent")
path = os.path.join(folder, digest + ".pyz")
temporary = "%s.%d.tmp" % (path, os.getpid())
try:
    os.makedirs(folder, exist_ok=True)
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
except OSError as error:
    sys.stdout.write("\narb: the agent cannot be put into ~/.arb: %s\n" % error.strerror)
    sys.exit(1)
os.execv(sys.executable, [sys.executable, "-I", "-S", path, sys.argv[3]])
' "$1" "$2" "${3:-rpc}"
}

arb_main "$@"
