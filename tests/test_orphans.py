"""A run that is killed leaves no process behind: workers, fork server and resource tracker end with it."""
import os, signal, subprocess, sys, time
from pathlib import Path
import pytest

pytestmark = [
    pytest.mark.scale, pytest.mark.skipif(not os.path.isdir('/proc/self'), reason="looks for processes in /proc")]

def of_session(session):
    "Processes of a session: id -> what it runs; the dead that nobody has asked after do not count."
    found = {}
    for p in Path('/proc').iterdir():
        if not p.name.isdecimal(): continue
        try:
            state,_,_,sid = (p/'stat').read_text().rpartition(')')[2].split()[:4]
            line = (p/'cmdline').read_bytes().replace(b'\0', b' ').decode(errors='replace')
        except OSError:
            continue
        if int(sid)==session and state not in 'ZX':
            found[int(p.name)] = line
    return found

def wait_for(what, seconds=60):
    "Whether something becomes true in time."
    end = time.monotonic()+seconds
    while not (there := what()) and time.monotonic() < end:
        time.sleep(.1)
    return there

@pytest.fixture
def left():
    "What is still there of the sessions of a test goes with it."
    sessions = []
    yield sessions
    for s in sessions:
        for pid in of_session(s):
            os.kill(pid, signal.SIGKILL)

def started(words, left, **how):
    run = subprocess.Popen(
        words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
    left.append(run.pid)
    return run

@pytest.mark.parametrize('method, how', [('spawn', signal.SIGKILL), ('forkserver', signal.SIGTERM)])
def test_workers_end_with_the_run(tmp_path, left, method, how):
    code = (
        "import sys, weakse.core.parallel as scale; from functools import partial; "
        "from doubles import sleep_long\n"
        f"scale._method = {method!r}\nscale.pmap(partial(sleep_long, sys.argv[1]), range(9), backend='process')")
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    run = started([sys.executable, '-c', code, str(tmp_path)], left, env={**os.environ, 'PYTHONPATH': path})
    assert wait_for(lambda: len(list(tmp_path.iterdir()))==2), "no worker began"
    run.send_signal(how)
    run.wait()
    assert wait_for(lambda: not of_session(run.pid), 20), of_session(run.pid)
