"""`weakse`, `dvc` and Python in processes forked from one that has loaded what they load, which takes nearly
all of the time of a short verb. Each is a process of its own, with its folder, environment, input and
ending. What Python or a library reads when it starts is not read again: where a variable of that kind
differs from the server's, a whole process is started instead. And what is made once for all workers of a
run of the tests."""
import atexit, gc, io, json, os, runpy, select, shutil, signal, socket, subprocess, sys, tempfile
import threading, traceback, types
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOADED = [
    'torch', 'pandas', 'scipy.signal', 'scipy.stats', 'soundfile', 'pesq', 'pystoi', 'rich.console',
    'rich.table', 'typer._adapters', 'weakse.cli.main', 'weakse.evaluation.printing',
    'weakse.evaluation.scoring', 'weakse.inference.enhance']
LARGE = [
    'torch', 'torch.utils.data', 'pandas', 'scipy.signal', 'scipy.stats', 'matplotlib.pyplot', 'soundfile',
    'pesq', 'pystoi', 'rich.console', 'rich.table', 'typer._adapters', 'yaml', 'fastcore.all',
    'IPython.display']
COMMAND = 'from weakse.cli.main import main; main()'
DVC = 'import sys; from dvc.cli import main; sys.exit(main(sys.argv[1:]))'
PYTHON = 'python'   # whatever a person could give Python: `-c` and code, `-m` and a module, or a file
AT_START = 'PYTHON', 'LC_', 'LANG', 'LD_', 'OMP_', 'MKL_', 'OPENBLAS_', 'GOMP_', 'KMP_', 'ATEN_'
_servers = {}   # command -> its server of this process, and the socket to it
_running = {}   # command -> what its server has started last

def made_once(tmp_path_factory, name, make):
    """A folder that `make(folder)` fills, by one of all workers of a run of the tests: the others wait for
    it. It is to be read or copied, not changed."""
    from filelock import FileLock
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get('PYTEST_XDIST_WORKER') else base)/name
    made = folder.with_name(f'{name}.made')
    with FileLock(f'{folder}.lock'):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)         # of a worker that was killed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder

# -- the side of a test

def run(*args, cwd, env=None, stdin=None, text=False, command=COMMAND):
    """What `subprocess.run([sys.executable, '-c', command, *args])` gives, or without these two words for
    `PYTHON`, its output captured; `env` is added to this process's, `stdin` an open file."""
    env = {**os.environ, **(env or {})}
    if command not in KINDS or _at_start(env) != _at_start(os.environ):
        return subprocess.run(_words(command, args), cwd=cwd, env=env, stdin=stdin, capture_output=True, text=text)
    return start(*args, cwd=cwd, env=env, stdin=stdin, text=text, command=command).wait()

def start(*args, cwd, env=None, stdin=None, text=False, command=PYTHON):
    "The same, not waited for: a `Running`. A server runs one after the other."
    order = dict(args=[*map(str, args)], cwd=str(cwd), env={**os.environ, **(env or {})})
    said = [tempfile.TemporaryFile() for _ in range(2)]
    with open(os.devnull, 'rb') as nothing:
        channel = _ask(command, order, [f.fileno() for f in (stdin or nothing, *said)])
    _running[command] = Running(channel, _words(command, args), said, text)
    return _running[command]

class Running:
    "A process that a server has forked."
    def __init__(self, channel, words, said, text):
        self.channel,self.words,self.said,self.text,self.code = channel,words,said,text,None
        self.pid = _number(channel)

    def poll(self):
        "The exit status, or None while it runs."
        if self.code is None and select.select([self.channel], [], [], 0)[0]: self.code = _number(self.channel)
        return self.code

    def wait(self):
        "What `subprocess.run` would have given."
        if self.code is None: self.code = _number(self.channel)
        said = [_content(f, self.text) for f in self.said]
        for f in self.said: f.close()
        return subprocess.CompletedProcess(self.words, self.code, *said)

    def send_signal(self, number):
        if self.poll() is None: os.kill(self.pid, number)

def _words(command, args):
    "What would be run without a server."
    return [sys.executable, *(() if command==PYTHON else ('-c', command)), *map(str, args)]

def _at_start(env):
    "The variables that are read once, when Python or a library starts."
    carried = 'PYTHONPATH','PYTHONIOENCODING'
    return {k: v for k,v in env.items() if k.startswith(AT_START) and k not in carried}

def _content(file, text):
    file.seek(0)
    return io.TextIOWrapper(file).read() if text else file.read()

def _ask(command, order, files):
    "The socket on which the server says what it started, and later how that ended."
    channel,before = _started(command),_running.get(command)
    if before and before.channel is channel and before.code is None:   # a test that failed did not wait for it
        before.send_signal(signal.SIGKILL)
        before.wait()
    sent = json.dumps(order).encode()
    socket.send_fds(channel, [len(sent).to_bytes(8, 'big')], files)
    channel.sendall(sent)
    return channel

def _started(command):
    "The socket to the server of a command, which is started where there is none and ends with this process."
    if command not in _servers or _servers[command][0].poll() is not None:
        ours,theirs = socket.socketpair()
        ours.settimeout(580)   # of a verb that hangs, the test says so
        path = os.pathsep.join([str(HERE.parent), os.environ.get('PYTHONPATH', '')])
        words = [sys.executable, str(HERE/'commands.py'), str(theirs.fileno()), command]
        server = subprocess.Popen(words, env={**os.environ, 'PYTHONPATH': path}, pass_fds=[theirs.fileno()])
        _servers[command] = server,ours
        theirs.close()
    return _servers[command][1]

def _number(channel):
    return int.from_bytes(_received(channel, 8), 'big', signed=True)

def _received(channel, n):
    "Exactly `n` bytes; EOFError where the other side has gone."
    found = b''
    while len(found) < n:
        more = channel.recv(n-len(found))
        if not more: raise EOFError("the server of commands has ended")
        found += more
    return found

# -- the server's side

def serve(channel):
    "Fork for every order. Returns in the forked process alone, which has become what was ordered."
    gc.collect()
    gc.freeze()   # a forked process that ends would look through, and so copy, all that was loaded
    while True:
        head,files,*_ = socket.recv_fds(channel, 8, 3)
        if not head: os._exit(0)
        order = json.loads(_received(channel, int.from_bytes(head, 'big')))
        child = os.fork()
        if not child:
            channel.close()
            return _become(order, files)
        for f in files: os.close(f)
        channel.sendall(child.to_bytes(8, 'big', signed=True))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        channel.sendall(status.to_bytes(8, 'big', signed=True))

def _become(order, files):
    "Take the streams, the folder, the words and the environment of an order."
    for i,f in enumerate(files):
        os.dup2(f, i)
        os.close(f)
    os.chdir(order['cwd'])
    os.environ.clear()
    os.environ.update(order['env'])
    sys.argv = ['-c', *order['args']]
    sys.path[0],tempfile.tempdir = '',None
    encoding,_,errors = order['env'].get('PYTHONIOENCODING', '').partition(':')
    streams = ('stdin', 'r', errors),('stdout', 'w', errors),('stderr', 'w', 'backslashreplace')
    for name,mode,how in streams:
        number = getattr(sys, f'__{name}__').fileno()
        setattr(sys, name, open(number, mode, encoding=encoding or None, errors=how or None, closefd=False))

def _load_weakse():
    "What the command loads, and it."
    for name in LOADED: __import__(name)
    from weakse.cli.main import main
    return main

def _load_dvc():
    "What DVC's command loads, and it, with YAML that takes a tenth of the time."
    import quick_yaml
    quick_yaml.install()
    import dvc.cli, dvc.cli.parser, dvc.repo, dvc.repo.experiments, dvc.repo.reproduce, dvc.scm
    return lambda: sys.exit(dvc.cli.main(sys.argv[1:]))

def _load_python():
    "Large packages, none of ours: what is asked for finds the package that its environment names."
    for name in LARGE: __import__(name)
    assert 'weakse' not in sys.modules
    own = {str(Path(p)) for p in os.environ['PYTHONPATH'].split(os.pathsep) if p}
    there = [p for p in sys.path[1:] if p not in own]
    return lambda: _as_python(sys.argv[1:], there)

def _as_python(words, there):
    "Run `words` as Python would, with the packages of `there` behind those of the environment."
    given = [p for p in os.environ.get('PYTHONPATH', '').split(os.pathsep) if p]
    how,rest = (words[0],words[1:]) if words[0] in ('-c', '-m') else ('',words)
    sys.path[:] = ['' if how else str(Path(rest[0]).parent),*given,*there]
    sys.argv = ['-c',*rest[1:]] if how=='-c' else rest
    if how=='-m': return runpy.run_module(rest[0], run_name='__main__', alter_sys=True)
    if not how: return runpy.run_path(rest[0], run_name='__main__')
    main = sys.modules['__main__'] = types.ModuleType('__main__')
    exec(compile(rest[0], '<string>', 'exec'), vars(main))

KINDS = {COMMAND: _load_weakse, DVC: _load_dvc, PYTHON: _load_python}

def _end(main):
    "Run to the end as Python does, except that nothing is taken apart: of so much that takes half a second."
    code = 0
    try:
        main()
    except SystemExit as e:
        code = e.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)

if __name__=='__main__':
    main = KINDS[sys.argv[2]]()
    serve(socket.socket(fileno=int(sys.argv[1])))
    _end(main)
