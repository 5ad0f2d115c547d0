"The command from outside: exit codes, messages, files, and how long help takes."
import json, os, subprocess, sys, time
from pathlib import Path
import numpy as np, pytest, soundfile as sf

rate = 16000

@pytest.fixture
def weakse(tmp_path):
    "Run the command in an empty folder."
    def run(*args):
        env = {**os.environ, 'COLUMNS':'140', 'NO_COLOR':'1', 'TERM':'dumb'}
        command = [sys.executable, '-c', 'from weakse.cli import main; main()', *map(str, args)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    return run

@pytest.fixture
def noisy(tmp_path):
    "Three recordings: stereo, another rate in a folder, silence."
    rng = np.random.default_rng(0)
    tone = lambda n, r: .3*np.sin(2*np.pi*440*np.arange(n)/r)
    (tmp_path/'in'/'deep').mkdir(parents=True)
    sf.write(tmp_path/'in'/'a.wav', np.stack([tone(8000, rate), tone(8000, rate)], 1) + .05*rng.standard_normal((8000, 2)), rate)
    sf.write(tmp_path/'in'/'deep'/'b.flac', tone(22050, 44100) + .05*rng.standard_normal(22050), 44100)
    sf.write(tmp_path/'in'/'zeros.wav', np.zeros(4000), rate)
    return tmp_path/'in'

def test_help_is_fast_and_complete(weakse):
    weakse('--help')                                   # the first call may compile
    times = []
    for _ in range(3):
        start = time.perf_counter(); r = weakse('--help'); times.append(time.perf_counter()-start)
    assert r.returncode==0
    for verb in 'corpus tagger detect mine train enhance score report fetch repro'.split(): assert f' {verb} ' in r.stdout
    assert min(times) < 1.5*max(1, os.getloadavg()[0]/os.cpu_count())

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

def test_missing_system_names_make_repro(weakse, noisy):
    r = weakse('enhance', 'in', '-o', 'out')
    assert r.returncode==1 and 'make repro' in r.stderr and 'Traceback' not in r.stderr
    assert 'Traceback' in weakse('--debug', 'enhance', 'in', '-o', 'out').stderr

def test_bad_file_is_a_line_and_exit_1(weakse, noisy, tmp_path):
    (noisy/'page.wav').write_text('<!DOCTYPE html><html>not found</html>')
    r = weakse('enhance', 'in', '-o', 'out', '--system', 'highpass')
    assert r.returncode==1 and 'page.wav' in r.stderr and '1 failed' in r.stderr and 'Traceback' not in r.stderr
    assert (tmp_path/'out'/'a.wav').is_file()

def test_missing_file(weakse):
    r = weakse('enhance', 'nowhere.wav', '-o', 'out', '--system', 'wiener')
    assert r.returncode==1 and 'nowhere.wav' in r.stderr

def test_score_writes_the_promised_json(weakse, tmp_path):
    rng = np.random.default_rng(1)
    for d in ('clean','enhanced'): (tmp_path/d).mkdir()
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
    (tmp_path/'dvc.yaml').write_text('stages: {}\n'); (tmp_path/'sources').mkdir()
    (tmp_path/'params.yaml').write_text('seed: 0\nmine: {batch_sise: 3}\n')
    r = weakse('repro')
    assert r.returncode==1 and 'mine.batch_sise' in r.stderr and 'batch_size' in r.stderr
    (tmp_path/'params.yaml').write_text('seed: 0\nanchors: {seconds: two}\n')
    assert 'anchors.seconds' in weakse('repro').stderr
    (tmp_path/'params.yaml').write_text('seed: 0\ndata: elsewhere\n')
    assert 'elsewhere' in weakse('repro').stderr
