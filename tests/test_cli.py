"The command from outside: exit codes, messages, files, and how long help takes."
import errno, json, os, shlex, subprocess, sys
from pathlib import Path
import commands, numpy as np, pytest, soundfile as sf, torch
from typer.testing import CliRunner
from test_inputs import BAD, NAMES, USABLE, tones
from weakse.core.audio import audio_info
from weakse.cli.main import app
from weakse.detectors.small import SmallDetector, save_small
from weakse.core.labels import Vocabulary
from weakse.inference.mixer import Mixer
from weakse.models.unet import ConditionalUNet
from weakse.models.registry import save_system

rate = 16000

@pytest.fixture
def weakse(tmp_path):
    "Run the command in an empty folder."
    def run(*args, **how):
        env = dict(COLUMNS='140', NO_COLOR='1', TERM='dumb')
        return commands.run(*args, cwd=tmp_path, text=True, env=env, **how)
    return run

@pytest.fixture
def noisy(tmp_path):
    "Three recordings: stereo, another rate in a folder, silence."
    rng = np.random.default_rng(0)
    tone = lambda n, r: .3*np.sin(2*np.pi*440*np.arange(n)/r)
    (tmp_path/'in'/'deep').mkdir(parents=True)
    sf.write(
        tmp_path / 'in' / 'a.wav',
        np.stack([tone(8000, rate), tone(8000, rate)], 1) + 0.05 * rng.standard_normal((8000, 2)), rate)
    sf.write(tmp_path/'in'/'deep'/'b.flac', tone(22050, 44100) + .05*rng.standard_normal(22050), 44100)
    sf.write(tmp_path/'in'/'zeros.wav', np.zeros(4000), rate)
    return tmp_path/'in'

def test_help_is_complete_and_loads_nothing_heavy(weakse, tmp_path):
    r = weakse('--help')
    assert r.returncode==0
    for verb in 'enhance extract detect doctor app corpus tagger mine train score report fetch repro'.split():
        assert f' {verb} ' in r.stdout
    heavy = {'torch', 'torchaudio', 'scipy', 'pandas', 'matplotlib', 'IPython', 'dvc', 'soundfile', 'numba', 'librosa'}
    code = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('heavy:', sorted({heavy} & set(sys.modules)), file=sys.stderr))\n"
        "from weakse.cli.main import main\nmain()")
    run = subprocess.run([sys.executable, '-c', code, '--help'], cwd=tmp_path, capture_output=True, text=True)
    assert 'heavy: []' in run.stderr, run.stderr

def test_wrong_use_is_2(weakse):
    assert weakse('enhance').returncode==2
    assert weakse('sing').returncode==2

def test_enhance_keeps_length_rate_channels_and_tree(weakse, noisy, tmp_path):
    r = weakse('enhance', 'in', '-o', 'out', '--system', 'wiener')
    assert r.returncode==0, r.stderr
    for name in ('a.wav', 'deep/b.flac', 'zeros.wav'):
        a,b = sf.info(noisy/name),sf.info(tmp_path/'out'/name)
        assert (a.frames, a.samplerate, a.channels)==(b.frames, b.samplerate, b.channels)
    assert not sf.read(tmp_path/'out'/'zeros.wav')[0].any()
    assert '3 recordings' in r.stdout.splitlines()[-1] and ' s)' in r.stdout

def test_missing_system_names_make_repro(weakse, noisy, monkeypatch):
    monkeypatch.setenv('WEAKSE_MODELS', 'nothing')      # a package without its models
    r = weakse('enhance', 'in', '-o', 'out')
    assert r.returncode==1 and 'make repro' in r.stderr and 'Traceback' not in r.stderr
    assert 'Traceback' in weakse('--debug', 'enhance', 'in', '-o', 'out').stderr

def test_bad_file_is_a_line_and_exit_1(weakse, noisy, tmp_path):
    (noisy/'page.wav').write_text('<!DOCTYPE html><html>not found</html>')
    r = weakse('enhance', 'in', '-o', 'out', '--system', 'highpass')
    assert (
        r.returncode == 1 and 'page.wav' in r.stderr and '1 failed' in r.stderr
        and 'Traceback' not in r.stderr)
    assert (tmp_path/'out'/'a.wav').is_file()

def test_missing_file(weakse):
    r = weakse('enhance', 'nowhere.wav', '-o', 'out', '--system', 'wiener')
    assert r.returncode==1 and 'nowhere.wav' in r.stderr

def test_score_writes_the_promised_json(weakse, tmp_path):
    rng = np.random.default_rng(1)
    for d in ('clean','enhanced'):
        (tmp_path/d).mkdir()
    for i in range(2):
        s = rng.standard_normal(2*rate)*np.repeat(rng.random(40), 2*rate//40)*.1
        sf.write(tmp_path/'clean'/f'{i}.wav', s, rate)
        sf.write(tmp_path/'enhanced'/f'{i}.wav', s+.01*rng.standard_normal(len(s)), rate)
    r = weakse('score', '--clean', 'clean', '--enhanced', 'enhanced', '--json', 'scores.json')
    assert r.returncode==0, r.stderr
    scores = json.loads((tmp_path/'scores.json').read_text())
    assert {'mean','interval','files','failed'} <= set(scores)
    assert {'pesq','csig','cbak','covl','ssnr','stoi','si_sdr','llr','wss'} <= set(scores['mean'])
    assert len(scores['files'])==2 and not scores['failed']

def test_typing_errors_in_params_are_found_before_anything_runs(weakse, tmp_path):
    (tmp_path/'dvc.yaml').write_text('stages: {}\n')
    (tmp_path/'sources').mkdir()
    (tmp_path/'params.yaml').write_text('seed: 0\nmine: {batch_sise: 3}\n')
    r = weakse('repro')
    assert r.returncode==1 and 'mine.batch_sise' in r.stderr and 'batch_size' in r.stderr
    (tmp_path/'params.yaml').write_text('seed: 0\nanchors: {seconds: two}\n')
    assert 'anchors.seconds' in weakse('repro').stderr
    (tmp_path/'params.yaml').write_text('seed: 0\ndata: elsewhere\n')
    assert 'elsewhere' in weakse('repro').stderr

# -- what people type, in one process: the same bad and unusual inputs as in Python (test_inputs.py)
# -----------------------------------------------

VERBS = dict(
    enhance=['-o', 'out', '--system', 'highpass'],
    extract=['-o', 'out', '--keep', 'Speech', '--gain', 'Hum=-6', '--detector', 'none'],
    detect=['--labels', 'out', '--out', 'events.csv'])

@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    "A system and a detector of three classes with random weights."
    torch.manual_seed(0)
    folder,names = tmp_path_factory.mktemp('trained'),Vocabulary(list(NAMES), thresholds=[.015]*3)
    save_system(
        ConditionalUNet(n_cond=3, width=1 / 32, depth=2), folder / 'system', sample_rate=rate,
        vocabulary=names, config=dict(block=1.0))
    save_small(SmallDetector(names, rate, width=4), folder/'ears')
    return folder

@pytest.fixture
def ask(tmp_path, monkeypatch, trained):
    "Run a verb in an empty folder: its exit code, and all that it said on one line."
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('WEAKSE_SYSTEM', str(trained/'system'))
    runner = CliRunner(env=dict(COLUMNS='200', NO_COLOR='1', TERM='dumb'))
    def run(verb, *args, options=True, **kw):
        more = (
            [*VERBS[verb], *(['--detector', trained / 'ears'] if verb == 'detect' else [])]
            if options and verb in VERBS else [])
        r = runner.invoke(app, list(map(str, [verb, *args, *more])), prog_name='weakse', **kw)
        assert r.exception is None or isinstance(r.exception, SystemExit), r.exception
        return r.exit_code,' '.join(r.output.split())
    return run

def written(folder):
    return sorted(str(p.relative_to(folder)) for p in Path(folder).rglob('*') if p.is_file())

@pytest.mark.parametrize('kind', BAD)
@pytest.mark.parametrize('verb', VERBS)
def test_a_bad_file_is_named_and_leaves_nothing(ask, tmp_path, verb, kind):
    make,says = BAD[kind]
    make(tmp_path/'störung 1.wav')
    code,said = ask(verb, 'störung 1.wav', '--json', 'report.json')
    assert (
        code == 1 and 'störung 1.wav' in said
        and (says if kind != 'folder' else 'no sound file matches') in said)
    assert set(written(tmp_path)) <= {'störung 1.wav','report.json','events.csv'}
    if kind!='folder':
        assert json.loads((tmp_path/'report.json').read_text())['counts']==dict(failed=1)

@pytest.mark.parametrize('kind', USABLE)
@pytest.mark.parametrize('verb', ['enhance','extract'])
def test_an_unusual_file_keeps_its_shape(ask, tmp_path, verb, kind):
    USABLE[kind](tmp_path/'in.wav')
    code,said = ask(verb, 'in.wav')
    assert code==0 and ('cut short' in said)==(kind=='cut_short') and ('silent' in said)==(kind=='zeros')
    a = audio_info(tmp_path/'in.wav')
    for out in [p for p in (tmp_path/'out').rglob('*') if p.is_file()]:
        b = audio_info(out)
        assert (a.sample_rate, a.channels) == (b.sample_rate, b.channels) and len(sf.read(out)[0]) == len(
            sf.read(tmp_path / 'in.wav')[0])
        if kind!='mp3_inside':
            assert a.subtype==b.subtype
    assert len(written(tmp_path/'out'))==dict(enhance=1, extract=2)[verb]

@pytest.mark.parametrize('verb', VERBS)
def test_a_batch_goes_on_and_tells_all(ask, tmp_path, verb):
    bad = [k for k in BAD if k not in ('folder','missing')]
    (tmp_path/'in'/'deep').mkdir(parents=True)
    for k in bad:
        BAD[k][0](tmp_path/'in'/f'{k}.wav')
    for k in ('pcm24','zeros'):
        USABLE[k](tmp_path/'in'/'deep'/f'{k}.wav')
    code,said = ask(verb, 'in', '--json', 'report.json')
    report = json.loads((tmp_path/'report.json').read_text())
    assert code==1 and f'{len(bad)} failed' in said and report['counts']['failed']==len(bad)
    assert {Path(f['input']).stem for f in report['files'] if f['status'] == 'failed'} == set(bad) and all(
        f['message'] for f in report['files'] if f['status'] == 'failed')
    assert (
        written(tmp_path / 'out')
        == dict(
            enhance=['deep/pcm24.wav', 'deep/zeros.wav'], detect=['deep/pcm24.txt', 'deep/zeros.txt'],
            extract=[f'{half}/deep/{k}.wav' for half in ('kept', 'removed') for k in ('pcm24', 'zeros')],
        )[verb]
    )

@pytest.mark.parametrize(
    'name',
    [
        'größe.wav', '録音 1.wav', '🎙.wav', "Dental drill, dentist's drill.wav", 'a b;c&$d.wav', '[1].wav',
        'X.WAV', '.hidden.wav'],
)
@pytest.mark.parametrize('verb', VERBS)
def test_any_name(ask, tmp_path, verb, name):
    (tmp_path/'örtlich 音').mkdir()
    USABLE['pcm24'](tmp_path/'örtlich 音'/name)
    assert ask(verb, Path('örtlich 音')/name)[0]==0
    assert written(tmp_path / 'out') == [
        n.format(Path(name) if verb != 'detect' else Path(name).with_suffix('.txt'))
        for n in (['kept/{}', 'removed/{}'] if verb == 'extract' else ['{}'])]

@pytest.mark.parametrize('verb', VERBS)
def test_nothing_is_replaced_unasked(ask, tmp_path, verb):
    for name in ('a/same.wav','b/same.wav'):
        (tmp_path/name).parent.mkdir()
        USABLE['pcm24'](tmp_path/name)
    code,said = ask(verb, 'a/same.wav', 'b/same.wav')
    assert code==1 and 'would all be written to' in said and not (tmp_path/'out').exists()
    assert ask(verb, 'a')[0]==0
    before = {n: (tmp_path/'out'/n).stat().st_mtime_ns for n in written(tmp_path/'out')}
    code,said = ask(verb, 'a')
    assert code==1 and '`--overwrite`' in said and 'overwrite=True' not in said
    assert before=={n: (tmp_path/'out'/n).stat().st_mtime_ns for n in written(tmp_path/'out')}
    assert ask(verb, 'a', '--overwrite')[0]==0
    assert all(before[n] < (tmp_path/'out'/n).stat().st_mtime_ns for n in before)

@pytest.mark.parametrize('verb', ['enhance','extract'])
def test_resume_does_the_rest(ask, tmp_path, verb):
    (tmp_path/'in').mkdir()
    USABLE['pcm24'](tmp_path/'in'/'a.wav')
    assert ask(verb, 'in')[0]==0
    before = {n: (tmp_path/'out'/n).stat().st_mtime_ns for n in written(tmp_path/'out')}
    USABLE['hz8000'](tmp_path/'in'/'b.wav')
    code,said = ask(verb, 'in', '--resume', '--json', 'report.json')
    assert code==0 and json.loads((tmp_path/'report.json').read_text())['counts']==dict(ok=1, there=1)
    assert (
        before.items()
        <= {n: (tmp_path / 'out' / n).stat().st_mtime_ns for n in written(tmp_path / 'out')}.items())

def test_patterns_and_inputs_that_match_nothing(ask, tmp_path):
    (tmp_path/'in').mkdir()
    for n in 'ab':
        USABLE['pcm24'](tmp_path/'in'/f'{n}.wav')
    (tmp_path/'empty').mkdir()
    (tmp_path/'in'/'notes.txt').write_text('')
    assert ask('enhance', 'in/*.wav')[0]==0 and written(tmp_path/'out')==['a.wav','b.wav']
    for nothing in ('in/*.mp3','empty'):
        code,said = ask('detect', nothing)
        assert code==1 and 'no sound file matches' in said and nothing in said
    assert ask('enhance', 'in/a.wav', '-o', 'in', '--overwrite', '--system', 'highpass', options=False) == (
        1,
        f"error: {tmp_path / 'in' / 'a.wav'} is an input and would be overwritten: choose another output "
        "folder",
    )

def test_title_and_a_single_file_name(ask, tmp_path):
    with sf.SoundFile(tmp_path/'in.wav', 'w', rate, 1, 'PCM_24') as f:
        f.title,f.artist = 'Probe','Ich'
        f.write(tones())
    assert (
        ask('enhance', 'in.wav', '-o', 'one.flac', '--system', 'highpass', options=False)[0] == 0
        and audio_info(tmp_path / 'one.flac').format == 'FLAC')
    assert ask('extract', 'in.wav')[0]==0
    for n in ('kept','removed'):
        with sf.SoundFile(tmp_path/'out'/n/'in.wav') as f:
            assert (f.title, f.artist, f.subtype)==('Probe','Ich','PCM_24')
    whole, kept, removed = (
        sf.read(p, dtype='int32')[0]
        for p in (
            tmp_path / 'in.wav', tmp_path / 'out' / 'kept' / 'in.wav',
            tmp_path / 'out' / 'removed' / 'in.wav',
        )
    )
    gained = kept + removed - whole
    assert not gained.any()

@pytest.mark.parametrize('verb', VERBS)
@pytest.mark.parametrize('kind', ['pcm24','unknown_size','zero_bytes','page','nan'])
def test_standard_input(ask, tmp_path, verb, kind):
    (BAD[kind][0] if kind in BAD else USABLE[kind])(tmp_path/'pipe.wav')
    code,said = ask(verb, '-', '--json', 'report.json', input=(tmp_path/'pipe.wav').read_bytes())
    assert (code, json.loads((tmp_path / 'report.json').read_text())['files'][0]['input']) == (
        int(kind in BAD), '-')
    if kind in BAD:
        assert (
            BAD[kind][1] in said and 'tmp' not in said.partition('`--system` names another')[2].replace(str(tmp_path), '')
            and not written(tmp_path / 'out'))
    else:
        assert [Path(p).stem for p in written(tmp_path / 'out')] == ['stdin'] * dict(
            enhance=1, extract=2, detect=1)[verb]

@pytest.mark.parametrize('verb', VERBS)
def test_repair(ask, tmp_path, verb):
    BAD['nan'][0](tmp_path/'in.wav')
    code,said = ask(verb, 'in.wav')
    assert code==1 and '`--repair` puts zeros in their place' in said
    code,said = ask(verb, 'in.wav', '--repair', '--overwrite')
    assert code==0 and '1 NaN or infinite samples were replaced by 0' in said

@pytest.mark.parametrize('verb', ['enhance','extract'])
def test_a_part_and_a_coding(ask, tmp_path, verb):
    sf.write(tmp_path/'in.wav', tones(40000, channels=2), rate)
    assert ask(verb, 'in.wav', '--start', '1', '--seconds', '.5', '--subtype', 'PCM_24')[0]==0
    for path in written(tmp_path/'out'):
        info = audio_info(tmp_path/'out'/path)
        assert (info.frames, info.channels, info.subtype)==(8000, 2, 'PCM_24')
    code,said = ask(verb, 'in.wav', '--start', '9', '--overwrite')
    assert code==1 and 'at or after its end, 2.50 s' in said
    code,said = ask(verb, 'in.wav', '--subtype', 'MP9', '--overwrite')
    assert code==1 and "WAV cannot hold 'MP9'; expected one of PCM_16" in said

@pytest.mark.parametrize('verb', ['enhance','extract'])
def test_a_seed_draws_the_dither(ask, tmp_path, verb):
    sf.write(tmp_path/'in.wav', tones(8000), rate, subtype='PCM_16')
    def heard(*options):
        assert ask(verb, 'in.wav', '--dither', *options, '--overwrite')[0]==0
        return [sf.read(tmp_path/'out'/p, dtype='int16')[0] for p in written(tmp_path/'out')]
    usual,same,other = heard(),heard('--seed', '0'),heard('--seed', '1')
    assert all((a==b).all() for a,b in zip(usual, same)) and not all((a==b).all() for a,b in zip(usual, other))
    if verb=='extract': assert (sum(usual)==sum(other)).all()   # what one gets more of, the other gets less

def test_the_word_of_an_option_may_be_the_former_one(ask, tmp_path):
    sf.write(tmp_path/'in.wav', tones(), rate)
    code,said = ask('detect', 'in.wav', '--csv', 'old.csv')
    assert code==0 and '`--csv` is called `--out` now' in said and (tmp_path/'old.csv').is_file()

def test_pairs_are_enhanced_whole(ask, tmp_path):
    code,said = ask('enhance', '.', '--pairs', '--start', '1')
    assert code==1 and 'expected no `--start`: leave it out' in said

def test_pairs_need_no_checkout_and_no_parameter_file(ask, tmp_path):
    for part in ('clean','noisy'):
        (tmp_path/'pairs'/part).mkdir(parents=True)
        USABLE['pcm24'](tmp_path/'pairs'/part/'a.wav')
    code,said = ask('enhance', 'pairs', '--pairs', '--system', 'highpass')
    assert code==0 and '1 files' in said and written(tmp_path/'out')==['.weakse', 'a.wav']

def test_a_pipe_of_the_system(weakse, tmp_path):
    import io
    sf.write(f := io.BytesIO(), tones(), rate, format='FLAC')
    (tmp_path/'a.flac').write_bytes(f.getvalue())
    with open(tmp_path/'a.flac', 'rb') as pipe:
        r = weakse('enhance', '-', '-o', 'out', '--system', 'highpass', stdin=pipe)
    assert r.returncode==0 and audio_info(tmp_path/'out'/'stdin.flac').format=='FLAC', r.stderr

@pytest.mark.parametrize(
    'args,says',
    [
        ((), 'nothing is asked for: name a class in `--keep`, `--drop` or `--gain`, such as `--keep Speech`'),
        (('--keep', 'Wistle'), "nearest: 'Whistle'"), (('--keep', 'Speech', '--drop', 'Speech'), 'twice'),
        (('--gain', 'Hum'), "such as 'Music=-12'"), (('--gain', 'Hum=loud'), "'loud' is no number"),
        (('--gain', 'Hum=nan'), 'is nan'), (('--gain', 'Hum=1000'), 'is 1000'),
        (('--gain', 'Hum=1', '--gain', 'Hum=2'), 'second time'),
        (('--keep', 'Speech', '--strength', '2'), '`--strength` is 2'),
        (('--keep', 'Speech', '--floor-db', '6'), 'at most 0'),
        (('--keep', 'Speech', '--system', 'nowhere'), 'nowhere'),
        (('--keep', 'Speech', '--system', 'oracle'), 'oracle'),
        (('--keep', 'Speech', '--detector', 'nobody'), "unknown detector 'nobody'"),
        (('--keep', 'Speech', '--detector', 'artifacts/tagger'), "unknown detector 'artifacts/tagger'"),
        (('--keep', 'Speech', '--ontology', 'none.json'), 'none.json'),
        (('--keep', 'Speech', '--json', 'report.txt'), 'expected .json')],
    ids=lambda x: ' '.join(x) if isinstance(x, tuple) else '',
)
def test_a_wish_that_makes_no_sense(ask, tmp_path, args, says):
    USABLE['pcm24'](tmp_path/'in.wav')
    detector = () if '--detector' in args else ('--detector','none')
    code,said = ask('extract', 'in.wav', '-o', 'out', *args, *detector, options=False)
    assert code==1 and 'error: ' in said and says in said and not written(tmp_path/'out')

def test_what_is_not_there_is_said(ask, tmp_path, trained):
    USABLE['pcm24'](tmp_path/'in.wav')
    names = Vocabulary(list(NAMES), thresholds=[.999]*3)
    names.save(tmp_path/'v.csv')
    save_small(SmallDetector(names, rate, width=4), tmp_path/'deaf')
    code,said = ask('extract', 'in.wav', '-o', 'out', '--keep', 'Hum', '--detector', 'deaf', options=False)
    assert (
        code == 1 and "'Hum' is not detected in the recording" in said and '`--detector none`' in said
        and not written(tmp_path / 'out'))
    assert ask('detect', 'in.wav', '--detector', 'deaf', options=False)[1].startswith('nothing was heard')

@pytest.mark.parametrize('code,says', [(errno.ENOSPC,'the disk is full'), (errno.EROFS,'no permission')])
@pytest.mark.parametrize('verb', VERBS)
def test_a_disk_that_refuses(ask, tmp_path, monkeypatch, verb, code, says):
    USABLE['pcm24'](tmp_path/'in.wav')
    def refuse(tmp, path):
        raise OSError(code, os.strerror(code), str(path))
    monkeypatch.setattr('weakse.core.files._replace', refuse)
    left,said = ask(verb, 'in.wav')
    assert left==1 and says in said and written(tmp_path)==['in.wav']

@pytest.mark.parametrize(
    'args,says',
    [
        (('none.csv',), 'none.csv'), (('odd.csv',), 'file'),
        (('good.csv', '--out', 'full'), 'holds other things'),
        (('good.csv', '--detector', 'artifacts/tagger'), 'unknown detector')],
)
def test_the_doctor_says_what_is_wrong(ask, tmp_path, args, says):
    (tmp_path/'odd.csv').write_text('a,b\n1,2\n')
    (tmp_path/'good.csv').write_text('file,label\nin.wav,Speech\n')
    USABLE['pcm24'](tmp_path/'in.wav')
    (tmp_path/'full').mkdir()
    (tmp_path/'full'/'clips.csv').write_text('mine')
    code,said = ask('doctor', *args)
    assert (
        code == 1 and said.startswith('error: ') and says in said
        and (tmp_path / 'full' / 'clips.csv').read_text() == 'mine')

def test_the_doctor_may_come_again(ask, tmp_path):
    (tmp_path/'good.csv').write_text('file,label\nin.wav,Speech\n')
    USABLE['pcm24'](tmp_path/'in.wav')
    for _ in range(2):
        code,said = ask('doctor', 'good.csv')
        assert (
            '1 recording, 1 class' in said and 'doctor/index.html' in said
            and (tmp_path / 'doctor' / 'index.html').is_file())

def test_the_shell_completes_verbs_and_classes(trained, monkeypatch):
    def complete(words, **kw):
        env = dict(
            _WEAKSE_COMPLETE='complete_bash', COMP_WORDS=words, COMP_CWORD=str(len(words.split(' ')) - 1))
        return CliRunner(env=env).invoke(app, [], prog_name='weakse').output.split('\n')
    monkeypatch.setenv('WEAKSE_SYSTEM', str(trained/'system'))
    assert 'extract' in complete('weakse ex')
    assert 'Whistle' in complete('weakse extract --keep Wh') and 'Hum=' in complete(
        'weakse extract --gain Hu')
    monkeypatch.setenv('WEAKSE_SYSTEM', 'nowhere')
    assert r'Male\ speech,\ man\ speaking' in complete('weakse extract --drop Male')

def test_the_app_says_what_it_lacks(ask):
    assert 'is no folder' in ask('app', '--folder', 'nowhere')[1]
    assert "theme 'pink'" in ask('app', '--theme', 'pink', '--no-browser')[1]

def test_the_mixers_command_gives_the_mixers_mix(ask, tmp_path, trained):
    """What the mixer prints can be pasted; where the processor computes in bfloat16, a rounding may go the
    other way."""
    USABLE['float32'](tmp_path/'my talk.wav')
    m = Mixer(
        sf.read(tmp_path / 'my talk.wav')[0], rate, str(trained / 'system'), None, ["Speech", "Hum"],
        progress=False)
    m.gains.update({'Hum':-6, 'rest':-20})
    verb,*args = shlex.split(m.command('my talk.wav', 'out'))[1:]
    assert ask(verb, *args, options=False)[0]==0
    assert np.abs(sf.read(tmp_path/'out'/'kept'/'my talk.wav')[0] - m.render()).max() < 2e-3
