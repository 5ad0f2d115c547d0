"""The graph of dvc.yaml with its real stages of code and stand-ins for the work: a comment runs nothing, a constant runs
what it concerns. Then what DVC's users expect of its words, in the checkout and in the folder of a run."""
import io, json, os, re, shutil, subprocess, sys
from pathlib import Path
import commands, pytest, quick_yaml, yaml

root = Path(__file__).parents[1]
path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', '')])
pytestmark = pytest.mark.skipif(shutil.which('git') is None, reason="needs git")

# stands for a stage's work: what comes out is a function of what goes in, of parameters the blocks of their file
WORK = """import hashlib, pathlib, re, sys
ins, outs, inner, params = (a.split() for a in sys.argv[1:])
blocks = re.split(r'^(?=\\w+:)', open('params.yaml', encoding='utf-8').read(), flags=re.M)
said = repr([b for b in blocks if b.partition(':')[0] in params]).encode()
files = [f for p in map(pathlib.Path, ins) for f in (sorted(p.rglob('*')) if p.is_dir() else [p]) if f.is_file()]
h = hashlib.sha256(said + b''.join(f.read_bytes() for f in files)).hexdigest()
for i, out in enumerate(map(pathlib.Path, outs)):
    (out.parent if out.suffix else out).mkdir(parents=True, exist_ok=True)
    (out if out.suffix else out/'made').write_text(f'{{"n": {int(h[:6], 16)}, "i": {i}}}')
for file in map(pathlib.Path, inner):     # what others read of a folder
    (file.parent if file.suffix else file).mkdir(parents=True, exist_ok=True)
    (file if file.suffix else file/'made').write_text(h)
"""

INNER = dict(
    corpus=['artifacts/corpus/corpus.json', 'artifacts/pairs/noisy', 'artifacts/pairs/clean'],
    tagger=['artifacts/tagger/vocabulary.csv'])

def stand_in(name, stage, work):
    "The same stage with `work` for its command, in every branch."
    body = stage.get('do', stage)
    if name=='code': return stage
    outs = [o if isinstance(o, str) else next(iter(o)) for o in [*body.get('outs', []), *body.get('metrics', [])]]
    words = [body['deps'], outs, INNER.get(name, []), body.get('params', [])]
    body['cmd'] = ' '.join([sys.executable, '-I', '-S', str(work), *(f'"{" ".join(w)}"' for w in words)])
    return stage

def surroundings(cwd):
    "The environment of what runs in a checkout."
    env = {k: v for k,v in os.environ.items() if not k.startswith(('GIT_', 'DVC_'))}
    return env | dict(PATH=path, PYTHONPATH=str(cwd), OMP_NUM_THREADS='1')

def quick_dvc(folder):
    "Where a Python that starts as `-m dvc` finds, first of all, the YAML of this module's DVC."
    folder.mkdir()
    (folder/'sitecustomize.py').write_text(
        f"import sys\nif sys.orig_argv[1:3]==['-m', 'dvc']:\n    sys.path.append({str(root/'tests')!r})\n"
        "    import quick_yaml\n    quick_yaml.install()\n    sys.path.pop()\n")
    return str(folder)

def checked(words, done):
    assert done.returncode==0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout

def run(*words, cwd, packages=()):
    env = surroundings(cwd)
    env['PYTHONPATH'] = os.pathsep.join([env['PYTHONPATH'], *packages])
    return checked(words, subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, env=env))

def dvc(*words, cwd):
    done = commands.run(*words, cwd=cwd, env=surroundings(cwd), text=True, command=commands.DVC)
    return checked(words, done)

def git(*words, cwd):
    return run('git', '-c', 'user.name=t', '-c', 'user.email=t@t', *words, cwd=cwd)

def ran(cwd):
    "Names of the stages that `dvc repro` runs."
    return {line.split("'")[1] for line in dvc('repro', cwd=cwd).splitlines() if line.startswith('Running stage')}

def made_checkout(top):
    "A repository with this package, its graph and its values, all stages up to date."
    shutil.copytree(root/'weakse', top/'weakse', ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('params.yaml', 'data.dvc', 'audit.csv', '.dvcignore', '.gitignore'):
        shutil.copy(root/name, top/name)
    shutil.copytree(root/'sources', top/'sources')
    graph = yaml.safe_load((root/'dvc.yaml').read_text())
    graph['stages'] = {n: stand_in(n, s, top/'work.py') for n,s in graph['stages'].items()}
    graph['stages']['code']['cmd'] = f'{sys.executable} -m weakse code weakse artifacts/code'
    (top/'dvc.yaml').write_text(yaml.safe_dump(graph, sort_keys=False))
    (top/'work.py').write_text(WORK)
    git('init', '-q', cwd=top)
    dvc('init', '-q', cwd=top)
    shutil.copy(root/'.dvc'/'config', top/'.dvc'/'config')
    assert len(ran(top)) > 30

@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    "A copy of the repository that one process of this run of the tests makes for all of them."
    made = commands.made_once(tmp_path_factory, 'graph', made_checkout)
    return shutil.copytree(made, tmp_path_factory.mktemp('checkout')/'graph', symlinks=True)

def edit(top, module, old, new):
    "Change a module, and look whether there was something to change."
    file = top/'weakse'/module
    text = file.read_text()
    assert old in text, (module, old)
    file.write_text(text.replace(old, new, 1))

@pytest.mark.parametrize('name', ['params.yaml', 'dvc.yaml', 'dvc.lock'])
def test_the_quick_yaml_says_what_dvcs_own_says(checkout, name):
    from ruamel.yaml import YAML
    text = (checkout/name).read_text()
    known,written = YAML(typ='safe').load(text),io.StringIO()
    assert repr(quick_yaml.parse(text, name))==repr(known)
    quick_yaml.dump(known, written)
    assert repr(YAML(typ='safe').load(written.getvalue()))==repr(known)

def test_status_is_clean_when_all_is_made(checkout):
    assert 'up to date' in dvc('status', cwd=checkout)

def test_a_comment_and_a_docstring_run_nothing(checkout):
    edit(checkout, 'models/classical.py', '\ndef ', '\n# a word about noise\ndef ')
    edit(checkout, 'training/losses.py', '"""', '"""Said in another way. ')
    assert ran(checkout) <= {'code'}
    assert 'up to date' in dvc('status', cwd=checkout)

def bases(stages):
    return {s.split('@')[0] for s in stages}

def test_a_constant_in_a_loss_runs_its_trainings_and_what_follows(checkout):
    edit(checkout, 'training/losses.py', '\ndef ', '\n_weight = 3\ndef ')
    stages = ran(checkout)
    assert {s for s in stages if s.startswith('train')} == {
        'train@unet', 'train@kong', *(f'train_selective@{s}' for s in yaml.safe_load((root/'dvc.yaml').read_text())['stages']['train_selective']['foreach'])}
    assert bases(stages) == {
        'code', 'train', 'train_selective', 'enhance', 'score', 'table1', 'figures', 'selective', 'selective_dev', 'listen', 'listen_table1', 'ablate', 'additive',
        'metrics'}
    assert {s for s in stages if s.startswith('enhance')} == {'enhance@kong', 'enhance@weakse'}
    assert {s for s in stages if s.startswith('score')} == {'score@kong', 'score@weakse'}

def test_a_width_of_one_model_trains_that_model(checkout):
    edit(checkout, 'models/wave_unet.py', 'width:float=', 'width:float=0.5*')
    stages = ran(checkout)
    assert {s for s in stages if s.startswith('train')} == {'train_paired@wave_unet'}
    assert {s for s in stages if s.startswith(('enhance','score'))} == {'enhance@wave_unet', 'score@wave_unet'}

def test_words_of_dvc_answer(checkout):
    git('add', '-A', cwd=checkout)
    git('commit', '-q', '-m', 'one', cwd=checkout)
    assert 'n' in json.loads(dvc('metrics', 'show', '--json', cwd=checkout))['']['data']['results/metrics/table1.json']['data']
    values = (checkout/'params.yaml').read_text()
    (checkout/'params.yaml').write_text(re.sub(r'(\nwave_unet:\n(?: .*\n)*?  steps: )\d+', r'\g<1>7', values))
    assert 'wave_unet.steps' in dvc('params', 'diff', cwd=checkout)
    dvc('repro', 'metrics@table1', cwd=checkout)
    assert 'results/metrics/table1.json' in dvc('metrics', 'diff', cwd=checkout)
    git('checkout', '-q', '.', cwd=checkout)
    said = dvc('exp', 'run', '-S', 'train.steps=7', 'metrics@table1', '-n', 'seven', cwd=checkout)
    assert "Running stage 'train@unet'" in said and "Running stage 'train_paired@segan'" not in said
    assert 'seven' in dvc('exp', 'show', '--csv', cwd=checkout)

def test_a_run_of_another_file_has_a_history_of_its_own(checkout, tmp_path):
    (checkout/'params').mkdir()
    values = yaml.safe_load((root/'params.yaml').read_text())
    values['train']['steps'] = 11
    (checkout/'params'/'trial.yaml').write_text(yaml.safe_dump(values, sort_keys=False))
    run(sys.executable, '-m', 'weakse', 'repro', 'metrics@table1', '--params', 'params/trial.yaml', cwd=checkout,
        packages=[quick_dvc(tmp_path/'quick')])
    trial = checkout/'runs'/'trial'
    assert git('log', '--format=%s', cwd=trial).split('\n')[0]=='weakse repro metrics@table1'
    assert 'runs' not in git('status', '--porcelain', cwd=checkout)
    said = dvc('exp', 'run', '-S', 'train.steps=9', 'metrics@table1', cwd=trial)
    assert "Running stage 'train@unet'" in said and "Running stage 'train_paired@segan'" not in said
    assert 'train.steps' in dvc('params', 'diff', cwd=trial)
    assert 'table1.json' in dvc('metrics', 'diff', cwd=trial)
