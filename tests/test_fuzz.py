"A slice of the hostile inputs of `make fuzz`, and what they brought to light."
import os, signal, time
import numpy as np, pytest, soundfile as sf
import fuzz as module
from fuzz import Finding, attempt, fuzz, report
from weakse.cli import main as cli
from weakse.mining.audits import AuditError, read_audit
from doubles import band_system
from weakse.inference.extract import extract
from weakse.inference.extract_files import extract_file
from weakse.core.files import read_json
from weakse.inference.enhance import enhance
from weakse.evaluation.metrics import metric_of
from test_tampered import small_disk

def test_a_slice_of_the_drawn_inputs(capsys):
    counts,found = fuzz(0, range(80), lambda line: None)
    with capsys.disabled():
        print()
        report(counts, found)
    assert not found, '\n'.join(
        f'make fuzz SEED=0 CASE={case}: {kind}: {what}: {text}' for case, kind, what, text in found)
    assert sum(counts.values())==80

def test_what_is_no_error_of_ours_is_found():
    with pytest.raises(Finding, match='ZeroDivisionError'):
        attempt(lambda: 1/0)
    with pytest.raises(Finding, match='invalid literal'):
        attempt(int, 'x')
    assert attempt(enhance, np.zeros(0), 16000, 'noisy') is None

def test_each_kind_of_finding_is_counted_and_ends_nothing(monkeypatch):
    """A worker that a case ends, or that hangs, is followed by another one; what is touched and what is left
    is seen."""
    def crash(rng, here, world):
        os.kill(os.getpid(), signal.SIGKILL)
    def hang(rng, here, world):
        time.sleep(60)
    def touch(rng, here, world):
        (world/'theirs'/'thesis.tex').write_text('x')
    def leave(rng, here, world):
        (here/'.0123.tmp.wav').touch()
    def trace(rng, here, world):
        {}['x']
    acts = [crash, hang, leave, trace, touch]
    monkeypatch.setattr(module, 'LIMIT', 3)
    seen = []
    for act in acts:
        monkeypatch.setattr(module, 'KINDS', [('all', act, 1)])
        counts,found = fuzz(0, range(2), lambda line: None)
        assert counts==dict(all=2) and (len(found)==2 or act is touch)
        seen.append(found[0][2])
    assert seen==['crash','hang','left over','traceback','foreign file touched']

def test_a_worker_without_a_core_does_not_hang(monkeypatch):
    "The machine may be busy with something else; what counts is time in which the worker could have worked."
    class Pipe:
        asked = 0
        def poll(self, seconds):
            self.asked += 1
            return self.asked > 3
    times = iter(range(0, 1000, module.LIMIT))
    monkeypatch.setattr(module, '_waited', lambda pid: next(times))
    assert module.answers(Pipe(), 1)
    monkeypatch.setattr(module, '_waited', lambda pid: 0.)
    assert not module.answers(Pipe(), 1)

def test_a_name_in_bytes_is_extracted(tmp_path):
    name = os.fsdecode(bytes(tmp_path) + b'/a\xff.wav')
    sf.write(os.fsencode(name), .1*np.ones(8000), 16000)
    kept,removed = (os.fsdecode(bytes(tmp_path) + b'/%s\xff.wav' % w) for w in (b'k', b'r'))
    assert (
        extract_file(name, kept, removed, keep='Speech', system=band_system(), detector=None)['status']
        == 'ok')

def test_a_disk_that_fills_under_the_mix_is_an_error_of_the_system(tmp_path):
    sf.write(tmp_path/'a.wav', .1*np.ones(8000), 16000)
    for most in (0, 1000):
        with small_disk(most), pytest.raises(OSError, match='is the disk full'):
            extract_file(
                tmp_path / 'a.wav', tmp_path / 'k.wav', tmp_path / 'r.wav', keep='Speech',
                system=band_system(), detector=None)
        assert [p.name for p in tmp_path.iterdir()]==['a.wav']

@pytest.mark.parametrize('rate', [np.int64(16000), np.float32(16000), 16000.])
def test_a_rate_of_any_type_of_number(rate):
    x = .1*np.ones(16000)
    assert (enhance(x, rate, 'highpass')==enhance(x, 16000, 'highpass')).all()

@pytest.mark.parametrize('rate', ['16000', None, 16, True])
@pytest.mark.parametrize('metric', ['pesq','stoi','estoi','ssnr','llr','wss'])
def test_a_metric_refuses_what_is_no_rate(metric, rate):
    x = np.sin(np.arange(8000.))
    with pytest.raises(ValueError, match='expected a whole number of Hz'):
        metric_of(metric).function(x, x, rate)

def test_ctrl_c_before_a_verb_begins_is_no_traceback(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt
    monkeypatch.setattr(cli, 'app', interrupted)
    with pytest.raises(SystemExit) as e:
        cli.main()
    assert e.value.code==130

def test_a_number_is_no_class():
    with pytest.raises(ValueError, match='`keep` is 3; expected the name of a class'):
        extract(np.zeros(99), 16000, keep=3, system=band_system(), detector=None)

@pytest.mark.parametrize('data', [b'\xff', b'file,class\n\xff,x\n', b'"', b'a,b\n1,2,3,4\n5,6\n'])
def test_verdicts_that_are_no_table(tmp_path, data):
    (tmp_path/'a.csv').write_bytes(data)
    with pytest.raises(AuditError):
        read_audit(tmp_path/'a.csv')

@pytest.mark.parametrize(
    'data,says', [(b'\xff', 'is not UTF-8'), (b'[' * 100_000, 'nested too deeply'), (b'{', 'is not JSON')])
def test_what_is_no_json(tmp_path, data, says):
    (tmp_path/'a.json').write_bytes(data)
    with pytest.raises(ValueError, match=says):
        read_json(tmp_path/'a.json')
