"""The command in processes that are forked from one which has loaded torch and the command once: loading them takes
half of the time of a short verb. Each is a process of its own, with its folder, environment, input and ending.
What Python or a library reads when it starts is not read again: where a variable of that kind differs from the
server's, a whole process is started instead."""
import atexit, gc, io, json, os, socket, subprocess, sys, tempfile, threading, traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOADED = [
    'torch', 'pandas', 'scipy.signal', 'scipy.stats', 'soundfile', 'pesq', 'pystoi', 'rich.console', 'rich.table',
    'typer._adapters', 'weakse.cli.main', 'weakse.evaluation.printing', 'weakse.evaluation.scoring',
    'weakse.inference.enhance']
COMMAND = 'from weakse.cli.main import main; main()'
AT_START = 'PYTHON', 'LC_', 'LANG', 'LD_', 'OMP_', 'MKL_', 'OPENBLAS_', 'GOMP_', 'KMP_', 'ATEN_'
_server = []   # the server of this process, and the socket to it

# -- the side of a test

def run(*args, cwd, env=None, stdin=None, text=False, command=COMMAND):
    """What `subprocess.run([sys.executable, '-c', command, *args])` gives, its output captured; `env` is added to
    this process's, `stdin` an open file."""
    env = {**os.environ, **(env or {})}
    words = [sys.executable, '-c', command, *map(str, args)]
    if command != COMMAND or _at_start(env) != _at_start(os.environ):
        return subprocess.run(words, cwd=cwd, env=env, stdin=stdin, capture_output=True, text=text)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull, 'rb') as nothing:
        order = dict(args=words[3:], cwd=str(cwd), env=env)
        code = _ask(order, [f.fileno() for f in (stdin or nothing, out, err)])
        said = [_content(f, text) for f in (out, err)]
    return subprocess.CompletedProcess(words, code, *said)

def _at_start(env):
    "The variables that are read once, when Python or a library starts."
    return {k: v for k,v in env.items() if k.startswith(AT_START) and k not in ('PYTHONPATH', 'PYTHONIOENCODING')}

def _content(file, text):
    file.seek(0)
    return io.TextIOWrapper(file).read() if text else file.read()

def _ask(order, files):
    "The exit status of what the server runs."
    channel = _started()
    sent = json.dumps(order).encode()
    socket.send_fds(channel, [len(sent).to_bytes(8, 'big')], files)
    channel.sendall(sent)
    return int.from_bytes(_received(channel, 8), 'big', signed=True)

def _started():
    "The socket to the server of this process, which is started where there is none and ends with it."
    if not _server or _server[0].poll() is not None:
        ours,theirs = socket.socketpair()
        env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(HERE.parent), os.environ.get('PYTHONPATH', '')])}
        words = [sys.executable, str(HERE/'commands.py'), str(theirs.fileno())]
        _server[:] = [subprocess.Popen(words, env=env, pass_fds=[theirs.fileno()]),ours]
        theirs.close()
        atexit.register(ours.close)
    return _server[1]

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
    for name,mode,how in (('stdin', 'r', errors), ('stdout', 'w', errors), ('stderr', 'w', 'backslashreplace')):
        number = getattr(sys, f'__{name}__').fileno()
        setattr(sys, name, open(number, mode, encoding=encoding or None, errors=how or None, closefd=False))

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
    for name in LOADED: __import__(name)
    serve(socket.socket(fileno=int(sys.argv[1])))
    from weakse.cli.main import main
    _end(main)
