"""What `make fuzz` draws: hostile recordings, files, names, parameters, tables, systems and outputs, in one process and through the command.

Each family is a function of a `Case`: everything it draws comes from `case.rng`, everything it writes lies in `case.home`. It raises what
weakse raises, and calls `case.found(kind, what)` for what no error should hide.
"""
import contextlib, json, os, random, resource, shutil, signal, subprocess, sys, time
from pathlib import Path
import numpy as np, soundfile as sf, yaml

root = Path(__file__).parents[1]
RATES = [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000]
ODD_RATES = [0, -1, 1, 16, 999, 44.1, None, '16000', float('nan'), float('inf'), 2**31, 655350, True]
NAMES = ['größe', '録音 1', '🎙'*20, '語'*70, 'a b;c&$d', '-keep', 'X', 'aux', '.hidden', '[bold]x', '[/b]', ':smile:', 'a\x1b[31mred', '%s%n', "it's",
         'a\nb', '$\\frac$', '..x', 'con.wav', '~', 'ä', 'ä', b'\xff\xfe'.decode('utf-8', 'surrogateescape'), 'x'*240]
HOSTILE = [None, True, False, -1, 0, 1, 2, 1e305, -1e305, float('nan'), float('inf'), 10**30, 2**63, '', 'x', '1', '../../etc', [], [0], [[]], {}, {'a': 1},
           {1: 2}, '\0', 'ü'*300, 0.5, -0.5, 99, 10**9]
FORMATS = [('wav','PCM_16'), ('wav','PCM_24'), ('wav','PCM_U8'), ('wav','FLOAT'), ('wav','DOUBLE'), ('wav','ULAW'), ('wav','IMA_ADPCM'), ('wav','MS_ADPCM'),
           ('wav','GSM610'), ('wav','G721_32'), ('flac','PCM_16'), ('flac','PCM_24'), ('ogg','VORBIS'), ('ogg','OPUS'), ('mp3','MPEG_LAYER_III'), ('aiff','PCM_16'),
           ('aiff','DWVW_12'), ('au','PCM_16'), ('au','G723_24'), ('w64','PCM_16'), ('caf','PCM_16'), ('caf','ALAC_16'), ('rf64','PCM_16')]
VERBS = 'enhance', 'extract', 'detect', 'score', 'doctor', 'compare', 'app'

def pick(rng, values): return values[int(rng.integers(len(values)))]

# -- recordings --------------------------------------------------------------------------------------------------------------------------------

def signal_of(rng, longest=20000):
    "Samples `(n, channels)` of float64: tones, noise, silence, offsets, extremes."
    n,channels = int(pick(rng, [0, 1, 2, 159, 256, 257, 8000, int(rng.integers(1, longest))])),int(pick(rng, [1, 1, 1, 2, 2, 6, 8]))
    t = np.arange(n)[:, None]
    kind = pick(rng, ['noise','tone','zeros','offset','click','tiny','huge','mirror','square','part'])
    x = .1*rng.standard_normal((n, channels)) if kind in ('noise','mirror','part') else np.sin(t*rng.uniform(.001, 3))*np.ones((1, channels))
    x = dict(zeros=lambda: 0*x, offset=lambda: .1*x+pick(rng, [.05, .5, -2.]), click=lambda: (t==n//2)*np.ones((1, channels)), tiny=lambda: x*10.**-rng.integers(8, 45),
             huge=lambda: x*10.**rng.integers(1, 300), mirror=lambda: x[:, :1]*np.where(np.arange(channels)%2, -1, 1), square=lambda: np.sign(x),
             part=lambda: x*(t > n//2)).get(kind, lambda: x)()
    if n and rng.random() < .1: x[rng.integers(n), rng.integers(channels)] = pick(rng, [np.nan, np.inf, -np.inf, 1e300])
    return x

def array_of(rng):
    "What somebody might pass as a recording: types, layouts and things that are none."
    if rng.random() < .05: return pick(rng, [None, 'talk.wav', [], {}, 3, b'', np.array(['a']), np.zeros((2, 1, 9)), object()])
    x = signal_of(rng).T
    dtype = pick(rng, ['float64','float32','float32','float16','>f4','int8','int16','int32','uint8','int64','uint16','bool','complex64'])
    with np.errstate(all='ignore'):
        if np.dtype(dtype).kind in 'iu': x = np.nan_to_num(np.clip(x, -1, 1))*(2**(8*np.dtype(dtype).itemsize-1)-1)
        x = x.astype(dtype)
    return pick(rng, [lambda: x, lambda: x, lambda: x[0], lambda: x.T, lambda: x[None], lambda: x[:, ::-1], lambda: x.tolist()])()

def mutate(rng, data):
    "Bytes cut, flipped, overwritten, doubled or followed by others."
    data = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        n,kind = len(data),pick(rng, ['cut','flip','head','zero','tail','twice','insert'])
        at = int(rng.integers(max(1, n)))
        if kind=='cut': data = data[:at]
        elif kind=='flip' and n: data[at] ^= 1 << int(rng.integers(8))
        elif kind=='head' and n >= 64: i = int(rng.integers(60)); data[i:i+4] = pick(rng, [b'\0\0\0\0', b'\xff\xff\xff\xff', b'\xff\xff\xff\x7f', b'\1\0\0\0'])
        elif kind=='zero': data[at:at+99] = bytes(len(data[at:at+99]))
        elif kind=='tail': data += rng.bytes(99)
        elif kind=='twice': data = (data+data)[:400000]
        elif kind=='insert': data[at:at] = rng.bytes(7)
    return bytes(data)

def a_name(rng, suffix):
    "A file name, hostile now and then; short enough for a file system."
    name = pick(rng, NAMES) if rng.random() < .3 else 'talk'
    return (name[:120] if len(os.fsencode(name)) > 245 else name)+suffix

def a_file(rng, folder, hostile=True):
    "A sound file of any format, damaged in half of the cases; its path."
    kind,subtype = pick(rng, FORMATS)
    path = Path(folder)/a_name(rng, pick(rng, [f'.{kind}']*8+['.wav', '.raw', '.WAV', '.mp3']) if hostile else f'.{kind}')
    plain = Path(folder)/f'.making.{kind}'
    x,rate = np.nan_to_num(np.clip(signal_of(rng), -1, 1)),pick(rng, RATES)
    if not len(x): x = np.zeros((0, 1))
    try: sf.write(plain, x, rate, subtype=subtype, format=kind.upper() if kind!='rf64' else 'RF64')
    except (sf.SoundFileError, ValueError, RuntimeError): sf.write(plain, x[:, :1], 8000, subtype='PCM_16', format='WAV')
    data = plain.read_bytes() if plain.is_file() else b''
    plain.unlink(missing_ok=True)
    path.write_bytes(mutate(rng, data) if hostile and rng.random() < .5 else data)
    return path

# -- in one process ----------------------------------------------------------------------------------------------------------------------------

def wish_of(rng):
    "What is asked of `extract`."
    return pick(rng, [dict(keep="Speech"), dict(drop="Hum"), dict(gains={"Whistle": -12.}), dict(gains={"Hum": pick(rng, HOSTILE)}), dict(keep=pick(rng, HOSTILE)),
                      dict(keep="Speech", strength=pick(rng, HOSTILE)), dict(drop=["Hum"], floor_db=pick(rng, HOSTILE)), dict(keep="Speech", block=pick(rng, HOSTILE)),
                      dict(keep="Speech", overlap=pick(rng, HOSTILE)), {}])

def arrays(case):
    "A recording in memory, through enhance, extract, detect, mixer."
    from weakse.detectors import detect
    from weakse.extraction import _DemoDetector, extract
    from weakse.inference import enhance
    from weakse.mixer import Mixer
    rng = case.rng
    x,rate,system = array_of(rng),pick(rng, RATES) if rng.random() < .85 else pick(rng, ODD_RATES),case.system()
    verb = pick(rng, ['enhance','enhance','extract','extract','detect','mixer'])
    if verb=='enhance': out = [enhance(x, rate, system)]
    elif verb=='extract': out = list(extract(x, rate, **wish_of(rng), system=system, detector=None))[:2]
    elif verb=='detect': return detect(x, rate, _DemoDetector())
    else:
        m = Mixer(x, rate, system, None, ["Speech"], progress=False)
        m.gains.update({pick(rng, ["Speech", "rest", "Hum"]): pick(rng, [*HOSTILE, -6, -80, 30])})
        out = [m.render()]
    for o in out: case.finite(np.asarray(o), verb)
    if np.shape(out[0])!=np.shape(x): case.found('wrong shape', f'{verb}: {np.shape(x)} came back as {np.shape(out[0])}')

def files(case):
    "A file, whole or damaged, through everything that reads one."
    from weakse.audio import audio_info, load_audio
    from weakse.extraction import _DemoDetector, detect_file, extract_file
    from weakse.inference import enhance_file, enhance_files
    rng,out = case.rng,case.home/'out'
    path,system = a_file(rng, case.home/'in'),case.system()
    part = pick(rng, [{}]*6+[dict(start=pick(rng, HOSTILE)), dict(seconds=pick(rng, HOSTILE)), dict(subtype=pick(rng, ['PCM_16', 'FLOAT', 'x', 3])), dict(repair=True)])
    target = out/('o'+pick(rng, [path.suffix]*4+['.wav', '.flac', '.ogg', '.opus', '.mp3', '.xyz', '']))
    verb = pick(rng, ['enhance','extract','detect','load','batch'])
    if verb=='enhance': enhance_file(path, target, system, **part)
    elif verb=='extract': extract_file(path, target, out/'r.wav', **wish_of(rng), system=system, detector=None, **part)
    elif verb=='detect': return detect_file(path, _DemoDetector())
    elif verb=='load': audio_info(path); return case.finite(load_audio(path)[0].numpy(), verb)
    else:
        report = enhance_files(case.home/'in', out, system, progress=False)
        if 'failed' in set(report.status) and not report.message[report.status=='failed'].all(): case.found('no reason', 'a failed row without a message')
    case.readable(out)

def put(tree, rng, value):
    "The tree with one of its values, at any depth, replaced; or a key added."
    if not isinstance(tree, (dict, list)) or not tree or rng.random() < .15: return value
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = pick(rng, keys)
    if isinstance(tree, dict) and rng.random() < .1: return {**tree, pick(rng, ['x', 1, None, '', 'kind', 'seed', key]): value}
    tree[key] = put(tree[key], rng, value)
    return tree

TEXTS = ['', '[]', '3', 'a: &a [1]\nb: [*a,*a]', '['*3000, '{'*500, 'seed: 0\nseed: 1\n', 'a: b: c', '\t', '!!python/object:os.system x', '\0', 'train: 5', 'train: [1]', 'train:\n',
         '- a\n- b', 'x: &x {y: *x}', '? [a]\n: b', '1: 2', 'seed: null\ntrain: {}', '&a [&b [*b]]',
         'a0: &a0 [x,x,x,x,x,x,x,x]\n'+''.join(f'a{i}: &a{i} [{",".join([f"*a{i-1}"]*8)}]\n' for i in range(1, 5))]

def parameters(case):
    "A parameter file with a hostile value in a good place, or no parameter file at all."
    from weakse.cli import check_params
    rng,path = case.rng,case.home/'in'/'p.yaml'
    if rng.random() < .25: text = pick(rng, TEXTS)
    else:
        values = yaml.safe_load((root/pick(rng, ['params.yaml', 'params/smoke.yaml', 'params/paper.yaml', 'params/real.yaml'])).read_text())
        for _ in range(int(rng.integers(1, 3))): values = put(values, rng, pick(rng, HOSTILE))
        text = yaml.safe_dump(values, allow_unicode=True)
        if rng.random() < .1: text = mutate(rng, text.encode()).decode('utf-8', 'replace')
    path.write_bytes(text.encode('utf-8', 'replace'))
    check_params(path)

def tables(case):
    "A damaged table of labels, verdicts, kinds or classes."
    from weakse.adapters import read_labels
    from weakse.anchors import read_audit
    from weakse.kinds import read_kinds
    from weakse.labels import Vocabulary
    rng,path = case.rng,case.home/'in'/'t.csv'
    good,read = pick(rng, [('file,label\na.wav,Speech\nb.wav,Hum+Whistle\n', read_labels), ('file,class,verdict\na.wav,Hum,reject\n', read_audit),
                           ('class,n,gini,kind,seen\nHum,3,.5,transient,True\n', read_kinds), ('index,mid,display_name\n0,/m/1,Hum\n1,/m/2,Speech\n', Vocabulary.read)])
    edit = pick(rng, [lambda: mutate(rng, good.encode()), lambda: good.replace(',', pick(rng, [';', '\t', ',,', '"'])).encode(), lambda: good.encode('utf-16'),
                      lambda: ('\ufeff'+good).encode(), lambda: good.replace('\n', pick(rng, ['\r\n', '\r', ',\n', ',x\n'])).encode(), lambda: b'', lambda: b'\0'*9])
    path.write_bytes(edit())
    read(path)

def systems(case):
    "A saved system that somebody changed, loaded and used."
    from weakse.inference import enhance
    from weakse.systems import load_system
    rng,folder = case.rng,case.home/'in'/'system'
    shutil.copytree(case.kit['folders'][pick(rng, ['unet','selective'])], folder)
    victim = pick(rng, sorted(folder.iterdir()))
    if victim.name=='config.json' or rng.random() < .6:
        config = json.loads((folder/'config.json').read_text())
        (folder/'config.json').write_text(json.dumps(put(config, rng, pick(rng, HOSTILE))))
    elif rng.random() < .3: victim.unlink()
    elif victim.name=='bank.npy': np.save(victim, pick(rng, [np.zeros(3), np.zeros((0, 0)), np.full((3, 8), np.nan), np.zeros((3, 8), complex), np.array([['a']*8]*3), np.zeros((3, 2))]))
    else: victim.write_bytes(mutate(rng, victim.read_bytes()))
    case.finite(np.asarray(enhance(.1*np.random.default_rng(0).standard_normal(4000), 16000, load_system(folder))), 'enhance')

def target_of(case):
    "A place where somebody's things are: a file, a folder, a link to either, the input itself."
    canary = case.home/'canary'
    link,hard = case.home/'link',case.home/'hard.wav'
    link.symlink_to(pick(case.rng, ['canary', 'in', 'canary/README.md', 'nowhere', 'link']))
    os.link(canary/'mine.wav', hard)
    return pick(case.rng, [canary, canary/'README.md', canary/'mine.wav', canary/'deep', link, hard, case.home/'in', case.home/'in'/'a.wav', case.home, canary/'README.md'/'x.wav'])

def outputs(case):
    "Results that are to be written where something is."
    from weakse.audio import save_audio
    from weakse.extraction import extract_file, extract_files
    from weakse.files import atomic_path
    from weakse.inference import enhance_file, enhance_files
    rng,path = case.rng,case.home/'in'/'a.wav'
    sf.write(path, .1*np.random.default_rng(0).standard_normal(4000), 16000)
    case.remember()
    where,system = target_of(case),case.kit['systems']['highpass']
    options = dict(keep="Speech", system=case.kit['systems']['bands'], detector=None)
    pick(rng, [lambda: enhance_file(path, where, system), lambda: enhance_files(path, where, system, progress=False),
               lambda: extract_file(path, where, case.home/'out'/'r.wav', **options), lambda: extract_file(path, where, where, **options),
               lambda: extract_files(path, where, progress=False, **options)])()

# -- through the command -----------------------------------------------------------------------------------------------------------------------

def fork_command(case, argv, limit=None):
    "The command in a child of this process, which has everything loaded; its process number. What it says goes to a file."
    pid = os.fork()
    if pid: return pid
    code = 70
    try:
        os.setsid()   # what it starts ends with it
        os.chdir(case.home)
        said = os.open(case.home/f'.said_{os.getpid()}', os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        for fd in (1, 2): os.dup2(said, fd)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout,sys.stderr = (open(fd, 'w', errors='surrogateescape', closefd=False) for fd in (1, 2))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        os.environ.update(COLUMNS='200', NO_COLOR='1', TERM='dumb', WEAKSE_SYSTEM=str(case.kit['folders']['unet']))
        sys.argv = ['weakse', *argv]
        code = run_main()
    finally: os._exit(code)

def run_main():
    "The exit code of the command, its traceback printed where it has one, as the interpreter does."
    import traceback
    from weakse.cli import main
    try: main()
    except SystemExit as e: return e.code if isinstance(e.code, int) else int(e.code is not None)
    except BaseException: traceback.print_exc(); return 1
    finally:
        with contextlib.suppress(OSError, ValueError): sys.stdout.flush(); sys.stderr.flush()
    return 0

def wait_for(case, pid, seconds=60):
    "Exit code of a child, negative for a signal; what takes too long is ended and found."
    end = time.monotonic()+seconds
    while time.monotonic() < end:
        done,status = os.waitpid(pid, os.WNOHANG)
        if done: return os.waitstatus_to_exitcode(status)
        time.sleep(.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    case.found('hung', f'no end after {seconds} s')
    return 0

def heard(case, pid):
    "What a child said, looked through for tracebacks."
    file = case.home/f'.said_{pid}'
    said = file.read_text(errors='replace') if file.exists() else ''
    at = said.rfind('Traceback (most recent')
    if at >= 0 and 'KeyboardInterrupt' not in said[at:]: case.found('traceback', said[at:].strip().splitlines()[-1])
    return said

def a_command(case, argv, limit=None):
    "Run the command to its end; its exit code."
    case.notes.append('weakse '+' '.join(map(repr, argv)))
    pid = fork_command(case, argv, limit)
    code = wait_for(case, pid)
    said = heard(case, pid)
    if code < 0: case.found('crash', f'signal {-code}')
    if code and not said.strip(): case.found('silent', f'exit code {code} without a word')
    return code

def pairs_in(case):
    "Two clean/noisy pairs below `in`."
    rng = np.random.default_rng(0)
    for kind in ('clean', 'noisy'):
        (case.home/'in'/kind).mkdir()
        for i in range(2): sf.write(case.home/'in'/kind/f'{i}.wav', .1*rng.standard_normal(12000), 16000)

def words_of(case):
    "The words of a verb on good or hostile input, with a hostile value in one option."
    rng,ears = case.rng,str(case.kit['folders']['ears'])
    verb,where = pick(rng, VERBS),str(pick(rng, ['out', 'out/x.wav', 'out/x.json', 'canary', 'canary/README.md', 'canary/mine.wav', 'in', 'in/clean', 'link', '.', '-']))
    value = str(pick(rng, [*HOSTILE, 'canary/README.md', 'canary', 'out/r.json', 'in/clean/0.wav'])).replace('\0', '?')
    common = dict(enhance=['in', '-o', where], extract=['in', '-o', where, '--keep', 'Speech', '--detector', 'none'], detect=['in', '--csv', where, '--detector', ears],
                  score=['--clean', 'in/clean', '--enhanced', 'in/noisy', '--json', where], doctor=['in/t.csv', '--out', where],
                  compare=['noisy', 'highpass', '--pairs', 'in', '--out', where], app=['--no-browser', '--theme', 'none'])[verb]
    options = dict(enhance=['--start', '--seconds', '--strength', '--subtype', '--json', '--target', '--system', '--params'],
                   extract=['--start', '--gain', '--drop', '--floor-db', '--json', '--ontology', '--system'], detect=['--threshold', '--json', '--labels', '--detector'],
                   score=['--params'], doctor=['--sample-rate', '--label-map', '--vocabulary', '--separator', '--n-listen'], compare=['--title', '--note'],
                   app=['--port', '--folder', '--theme'])[verb]
    more = ['--pairs'] if verb=='enhance' and rng.random() < .3 else []
    return [verb, *common, *more, *([pick(rng, options), value] if rng.random() < .6 or verb=='app' else [])]

def command(case):
    "A verb with hostile words among somebody's files."
    pairs_in(case)
    (case.home/'in'/'t.csv').write_text('file,label\nclean/0.wav,Speech\nclean/1.wav,Hum\n')
    if case.rng.random() < .4: a_file(case.rng, case.home/'in')
    (case.home/'link').symlink_to(pick(case.rng, ['canary', 'in', 'nowhere', 'link']))
    case.remember()
    a_command(case, words_of(case))
    case.readable(case.home/'out')

def a_talk(case, seconds=20):
    "A recording that takes a moment."
    sf.write(case.home/'in'/'a.wav', .1*np.random.default_rng(0).standard_normal(16000*seconds), 16000)
    case.remember()

def disks(case):
    "A disk that is full after so many bytes."
    a_talk(case, 4)
    words = pick(case.rng, [['enhance', 'in', '-o', 'out'], ['extract', 'in', '-o', 'out', '--keep', 'Speech', '--detector', 'none'],
                            ['detect', 'in', '--csv', 'out/e.csv', '--labels', 'out/labels', '--detector', str(case.kit['folders']['ears'])]])
    limit = int(10**case.rng.uniform(1, 5.5))
    if a_command(case, words, limit)==0: case.complete(case.home/'out', 64000)
    case.readable(case.home/'out')

def signals(case):
    "A run that is ended at some moment, and begun again."
    a_talk(case)
    words,which = ['enhance', 'in', '-o', 'out'],pick(case.rng, [signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGHUP])
    pid = fork_command(case, words)
    time.sleep(float(case.rng.uniform(.02, .8)))
    with contextlib.suppress(ProcessLookupError): os.kill(pid, which)
    wait_for(case, pid)
    heard(case, pid)
    case.complete(case.home/'out', 320000)
    if a_command(case, [*words, '--resume']): case.found('no way on', f'`--resume` fails after signal {int(which)}')
    case.complete(case.home/'out', 320000, at_least=1)

def writers(case):
    "Two runs at once that write the same results with other settings: what is there is one of the two."
    a_talk(case, 8)
    words = [['enhance', 'in', '-o', 'out', '--strength', s] for s in ('1', '0.1')]
    children = [fork_command(case, w) for w in words if not time.sleep(float(case.rng.uniform(0, .2)))]
    codes = [wait_for(case, pid) for pid in children]
    for pid in children: heard(case, pid)
    if all(codes): case.found('no way on', f'of two runs at once none succeeds: exit codes {codes}')
    case.complete(case.home/'out', 128000, at_least=1)
    x,y = (sf.read(case.home/p)[0] for p in ('in/a.wav', 'out/a.wav'))
    shares = [np.std((x-y)[i:i+16000]) for i in range(0, 112000, 16000)]
    if max(shares) > 3*max(min(shares), 1e-9): case.found('mixed up', f'the result is of two runs: what was taken away has {min(shares):.2g} to {max(shares):.2g}')

FAMILIES = dict(arrays=(arrays, 30), files=(files, 26), parameters=(parameters, 14), systems=(systems, 10), tables=(tables, 6), outputs=(outputs, 4),
                command=(command, 6), disks=(disks, 2), signals=(signals, 1), writers=(writers, 1))   # what is drawn: its share in percent
OF_COMMAND = 'command', 'disks', 'signals', 'writers'

def family_of(rng):
    "The family of a case."
    names = list(FAMILIES)
    return str(rng.choice(names, p=[FAMILIES[n][1]/100 for n in names]))
