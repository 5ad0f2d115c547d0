"""Parameter files that somebody wrote wrongly, by chance or on purpose: every one is refused in one line that
names the value and what helps."""
import random, shutil, time
from pathlib import Path
import numpy as np, pytest, yaml
from typer.testing import CliRunner
from weakse.core.audio import save_audio
from weakse.cli.main import app
from weakse.cli.runs import has_pairs
from weakse.cli.stages import check_params, stage
from weakse.core.params import load_params
from weakse.core.schema import ParamsError, check_limits

ROOT = Path(__file__).parents[1]

def written(folder, text, name='p.yaml'):
    "A parameter file."
    path = folder/name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path

def refusal(path):
    "The one line with which a parameter file is refused."
    with pytest.raises(ParamsError) as caught:
        check_params(path)
    said = str(caught.value)
    assert '\n' not in said and len(said) < 1500, said
    return said

bomb = 'a0: &a0 [1,1]\n' + ''.join(f'a{i}: &a{i} [*a{i-1}, *a{i-1}]\n' for i in range(1, 30))

@pytest.mark.parametrize('text,says', [
    ('train: 3',                             '`train` in'),
    ('train: [1, 2]',                        'expected a block'),
    ('train: text',                          'expected a block'),
    ('seed: null\ntrain: {}',                '`seed` is None'),
    ('seed: -1\ntrain: {}',                  '`seed` is -1; expected a number from 0'),
    ('seed: 1.5',                            '`seed` is 1.5'),
    ('seed: {a: 1}',                         '`seed` is'),
    ('title: 3',                             '`title` is 3'),
    ('data: [a]',                            '`data` is'),
    ('sede: 3',                              'unknown block `sede`'),
    ('1: {}',                                "line 1 has the key '1'; expected a name"),
    ('train:\n  1: 2',                       "line 2 has the key '1'"),
    ('? [a, b]\n: 1',                        'has the key of a sequence'),
    ('train:\n  steps: 3\n  steps: 4',       'line 3 has the key `steps` for the second time'),
    ('train: {}\ntrain: {}',                 'line 2 has the key `train` for the second time'),
    ('train: ' + '['*3000,                   'line 1 is nested more than'),
    ('['*3000 + ']'*3000,                    'line 1 is nested more than'),
    (bomb,                                   'is an alias'),
    ('a: &a [*a]',                           'is an alias'),
    (b'train: {place: "\xff"}',              'is not UTF-8'),
    (b'\x00\x01',                            'is not valid YAML'),
    ('a: !!python/object/apply:os.system [echo]', 'is not valid YAML: line 1'),
    ('train: {place: 2020-99-99}',           'is not valid YAML'),
    ('#'*300_000,                            'expected a parameter file of at most'),
    ('',                                     'holds NoneType'),
    ('tagger: {kind: [a]}',                  '`tagger.kind` is'),
    ('train: {depth: 0}',                    '`train.depth` is 0; expected a number from 1 to 15'),
    ('train: {n_fft: 0}',                    '`train.n_fft` is 0'),
    ('train: {hop_length: 0}',               '`train.hop_length` is 0'),
    ('train: {hop_length: -5}',              '`train.hop_length` is -5'),
    ('train: {steps: -1}',                   '`train.steps` is -1'),
    ('train: {batch_size: -1}',              '`train.batch_size` is -1'),
    ('train: {width: -1}',                   '`train.width` is -1'),
    ('train: {width: .nan}',                 '`train.width` is nan; expected a finite number'),
    ('train: {lr: .inf}',                    '`train.lr` is inf'),
    ('train: {width: 1.0e+300}',             '`train.width` is 1e+300'),
    ('train: {steps: ' + '9'*4000 + '}',     'characters); expected a number'),
    ('train: {steps: ' + '9'*9000 + '}',     'is not valid YAML'),
    ('train: {mixtures: {batch_size: 0}}',   '`train.mixtures` (`batch_size`) is 0'),
    ('train: {loss: {waveform_mae: .nan}}',  '`train.loss` is nan'),
    ('train: {use: {strength: 7}}',          '`train.use` (`strength`) is 7'),
    ('tagger: {steps: 0}',                   '`tagger.steps` is 0'),
    ('tagger: {width: 0}',                   '`tagger.width` is 0'),
    ('anchors: {seconds: 0}',                '`anchors.seconds` is 0'),
    ('mine: {n_batches: 0}',                 '`mine.n_batches` is 0'),
    ('segan: {emphasis: 2.0}',               '`segan.emphasis` is 2.0'),
    ('joint: {residual_share: 2.0}',         '`joint.residual_share` is 2.0'),
    ('corpus: {sample_rate: 0}',             '`corpus.sample_rate` is 0'),
    ('selective: {snrs: [.nan]}',            '`selective.snrs` is nan'),
], ids=lambda v: repr(v)[:40] if isinstance(v, (str, bytes)) else None)
def test_refused(tmp_path, text, says):
    start = time.process_time()
    assert says in refusal(written(tmp_path, text))
    # also what would grow beyond all bounds; the first import of a stage is in it
    assert time.process_time() - start < 10

def test_empty_block(tmp_path):
    "Nothing below a name is a block without values."
    path = written(tmp_path, 'train:\nseed: 3\n')
    check_params(path)
    assert stage('train', path).keywords == {'seed':3}

@pytest.mark.parametrize(
    'name', ['params.yaml', 'params/paper.yaml', 'params/real.yaml', 'params/smoke.yaml'])
def test_own_files(name):
    check_params(ROOT/name)

def run(*words):
    "Exit code and text of a verb; an exception that is no message of ours fails the test."
    done = CliRunner().invoke(app, [str(w) for w in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), (words, done.exception)
    return done.exit_code, done.output

@pytest.mark.parametrize(
    'text', ['steps: -5', 'batch_size: -2', 'width: -1.0', 'depth: 0', 'n_fft: 0', 'width: .nan'])
def test_dry_run(tmp_path, text):
    code,said = run('train', '--dry-run', '--params', written(tmp_path, f'train: {{{text}}}'))
    assert code==1 and 'error: parameter `train.' in said and said.count('\n')==1

@pytest.mark.parametrize(
    'words,says',
    [
        (['detect', 'x.wav', '--threshold', 'nan'], '`--threshold` is nan'),
        (['detect', 'x.wav', '--threshold', '-1'], '`--threshold` is -1'),
        (['detect', 'x.wav', '--threshold', '7'], '`--threshold` is 7'),
        (['app', '--port', '70000'], '`--port` is 70000; expected a number from 0 to 65535'),
        (['app', '--port', '-1'], '`--port` is -1'),
        (['enhance', 'x.wav', '-o', 'o', '--start', '1e305'], '`--start` is 1e+305'),
        (['extract', 'x.wav', '-o', 'o', '--seconds', 'inf'], '`--seconds` is inf'),
        (['enhance', 'x.wav', '-o', 'o', '--strength', 'nan'], '`--strength` is nan'),
        (['doctor', 'x.csv', '--sample-rate', '0'], '`--sample-rate` is 0'),
        (['doctor', 'x.csv', '--n-listen', '-1'], '`--n-listen` is -1')],
)
def test_options(words, says):
    code,said = run(*words)
    assert code==1 and says in said and said.count('\n')==1

@pytest.fixture
def empty(tmp_path, monkeypatch):
    "An empty working folder, and a folder of pairs elsewhere."
    pairs,here = tmp_path/'pairs',tmp_path/'here'
    for part in ('clean', 'noisy'):
        save_audio(
            pairs / part / 'a.wav',
            0.1 * np.random.default_rng(0).standard_normal((1, 32000)).astype(np.float32), 16000)
    here.mkdir()
    monkeypatch.chdir(here)
    return pairs

@pytest.mark.parametrize(
    'foreign',
    [
        None, 'prepare: {split: 0.2}\nscore: {metric: f1}\nenhance: 3\n', 'lr: 0.1\n', '- 1\n',
        'a: &a 1\nb: *a\n', 'train: {lr: 0.1, epochs: 3}\nfeaturize: {ngrams: 2}\n', b'\xff\xfe', ''],
)
def test_somebody_elses_file(empty, foreign):
    "A person's verbs need no checkout and do not mind the parameter file of another project."
    if foreign is not None:
        written(Path('.'), foreign, 'params.yaml')
    assert run('enhance', empty, '--pairs', '--system', 'noisy', '-o', 'out')[0]==0
    assert run('enhance', empty/'noisy'/'a.wav', '--system', 'noisy', '-o', 'single')[0]==0
    assert run('score', '--clean', empty/'clean', '--enhanced', 'out')[0]==0
    assert Path('out/a.wav').is_file()

def test_own_file_stays_strict(empty):
    "In a file of ours, or one that is named, a mistake is said."
    own = 'train: {}\nenhance: {strenght: 0.5}\n'
    written(Path('.'), own, 'params.yaml')
    assert '`enhance.strenght`' in run('enhance', empty, '--pairs', '--system', 'noisy', '-o', 'out')[1]
    assert (
        'holds list'
        in run(
            'enhance', empty, '--pairs', '--system', 'noisy', '-o', 'out', '--params',
            written(Path('.'), '- 1', 'other.yaml'))[1]
    )

def values_of(name):
    return yaml.safe_load((ROOT/name).read_text())

def test_the_long_run_differs_between_seeds_in_its_trainings_alone():
    full = values_of('params/full.yaml')
    own = {name for name,block in full.items() if isinstance(block, dict) and 'seed' in block}
    assert own=={'corpus', 'tagger', 'mine', 'mine_kong', 'paired', 'sound_types'} and all(full[name]['seed']==0 for name in own)
    assert set(full)==set(values_of('params.yaml'))

@pytest.mark.parametrize('name', ['params.yaml', 'params/full.yaml'])
def test_the_papers_recipe_is_the_papers(name):
    "What Kong et al. state, in the row of their recipe and in the file that holds nothing else."
    size = {'width', 'channels', 'n_fft', 'hop_length', 'steps', 'batch_size', 'n_batches', 'checkpoint_every', 'seed'}
    open_to_trials = {'lr', 'both_directions'}      # not stated, or not clear
    values, paper = values_of(name), values_of('params/paper.yaml')
    for block,at in (('mine_kong', 'mine'), ('kong', 'train')):
        for key in {*values[block]} - size - open_to_trials:
            ours, theirs = values[block][key], paper[at][key]
            if isinstance(ours, dict):
                ours = {k: v for k,v in ours.items() if k not in open_to_trials}
                theirs = {k: theirs[k] for k in ours}
            assert ours==theirs, (block, key)

def test_python_is_bounded_too():
    from weakse.models.unet import ConditionalUNet
    from weakse.models.wave_unet import WaveUNet
    for make in (
        lambda: ConditionalUNet(4, depth=0), lambda: ConditionalUNet(4, n_fft=0),
        lambda: ConditionalUNet(4, hop_length=0), lambda: ConditionalUNet(4, width=-1.0),
        lambda: WaveUNet(depth=10**9), lambda: ConditionalUNet(0)):
        with pytest.raises(ValueError, match='is'):
            make()
    with pytest.raises(ParamsError, match='finite'):
        check_limits('f', {'anything': float('nan')})

odd = [
    None, True, -1, 0, 1e308, float('nan'), float('inf'), 10**30, '', 'x', '1e-3', [], [[]], {}, {'a': None},
    [None], {'x': {'y': [1]}}, '\u202e', 'a\nb']

def mutated(values, rng):
    "A copy with some values, keys or blocks replaced by odd ones."
    values = {k: dict(v) if isinstance(v, dict) else v for k,v in values.items()}
    for _ in range(rng.randint(1, 3)):
        block = rng.choice(list(values))
        inner = (
            values[block] if isinstance(values[block], dict) and values[block] and rng.random() < 0.8
            else values)
        key = rng.choice(list(inner))
        if rng.random() < .2:
            inner[rng.choice(['', 'kind', 'x y', 'ß', '[b]'])] = rng.choice(odd)
        else:
            inner[key] = rng.choice(odd)
    return values

def test_drawn(tmp_path):
    "Drawn changes of our own files: read, or refused in one line; nothing else is raised."
    rng,refused = random.Random(11),0
    files = [
        yaml.safe_load((ROOT / n).read_text())
        for n in ('params.yaml', 'params/smoke.yaml', 'params/real.yaml')]
    for i in range(300):
        path = written(tmp_path, yaml.safe_dump(mutated(rng.choice(files), rng), allow_unicode=bool(i%2)))
        try:
            check_params(path)
            has_pairs(path)
        except ParamsError as e:
            assert '\n' not in str(e), str(e)
            refused += 1
    assert refused > 150

def test_drawn_bytes(tmp_path):
    "Our own file with bytes changed, cut or repeated."
    rng,whole = random.Random(12),(ROOT/'params.yaml').read_bytes()
    for _ in range(150):
        text = bytearray(whole[:rng.randrange(1, len(whole))] if rng.random() < .3 else whole)
        for _ in range(rng.randint(1, 6)):
            text[rng.randrange(len(text))] = rng.choice(b'\x00\xff{}[]:&*!|>%@`"\'\t\n -#,?0.') 
        path = written(tmp_path, bytes(text))
        try:
            check_params(path)
        except ParamsError as e:
            assert '\n' not in str(e), str(e)

def test_the_former_name_of_a_block_and_a_verb(tmp_path):
    "Both still work, and one line says what they are called now."
    runner = CliRunner()
    old = written(tmp_path, 'kinds: {min_anchors: 0.5}')
    asked = runner.invoke(app, ['kinds', str(tmp_path), str(tmp_path/'t.csv'), '--params', str(old)])
    assert asked.exit_code==1 and '`sound_types.min_anchors` is 0.5' in asked.stderr
    assert '`kinds` is called `sound_types` now' in asked.stderr
    assert asked.stderr.count('the block `kinds` is called `sound_types` now')==1
    helped = runner.invoke(app, ['--help']).stdout
    assert ' sound_types ' in helped and ' kinds ' not in helped
