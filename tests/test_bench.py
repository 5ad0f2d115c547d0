"""`results/bench.json` has every figure that `make bench` is for, with its unit, how it was taken, and on what. How good they are
is no test: seconds belong to a machine."""
import subprocess, sys
from pathlib import Path
import pytest
from bench_rows import clocked, left_out, row, told
from weakse.core.files import read_json

kept = read_json(Path(__file__).parents[1]/'results'/'bench.json')
rows = {r['what']: r for part in kept['parts'].values() for r in part}
FIGURES = [
    *(f'step, {width} width, {what}' for width in ('quick', 'full') for what in (
        'against float32 in the default layout', 'share of a matrix product', 'time outside the network', 'with PANNs in it')),
    *(f'memory of a step, width {w:g}' for w in (.125, .25, .5)), 'the same beside a busy core',
    'detection, efficientat, against one clip at a time', 'scoring, two processes against one',
    *(f'enhancing, width {w:g}{what}' for w in (.125, .25, .5) for what in ('', ': STFT', ': network', ': files')),
    'a fader is moved', 'highpass, memory of two hours against a minute', 'base, memory of two hours against a minute',
    'shipped enhancer, loading', 'shipped enhancer, real time factor against RNNoise', 'mining two million anchors, memory',
    'anchors read at random, warm', 'anchors read at random, cold', 'all of AudioSet, efficientat, 8 GPUs (not measured)']

@pytest.mark.parametrize('what', FIGURES)
def test_a_figure_is_kept(what):
    assert rows[what]['value'] > 0 and rows[what]['unit'] and rows[what]['note']

def test_on_what_it_was_measured():
    assert {'processor', 'cores', 'torch', 'weakse'} <= kept['machine'].keys() and kept['load'].keys()==kept['parts'].keys()

def test_a_row_is_told_with_its_goal():
    assert told(row('a', 1.23456, 'x', 'b', wants=2))==('a', '1.235 x', 'b; at least 2')
    assert told(row('a', 1, 'x', 'b', wants=2, only=False))==('a', '1 x', 'b')
    assert told(left_out('a', 'no time'))==('a', '-', 'left out: no time')

def test_time_in_functions_is_counted_and_they_come_back():
    class Busy:
        def work(self): return sum(range(200_000))
    before = Busy.work
    with clocked(dict(work=[(Busy, 'work')])) as spent:
        assert Busy().work()==sum(range(200_000))
    assert spent['work'] > 0 and Busy.work is before

def test_the_peak_is_of_this_process_alone():
    "What was large and has gone still counts, and nothing of the process that started it; pages are counted by the handful."
    code = f"""import sys; sys.path.append({str(Path(__file__).parent)!r})
from bench_rows import peak_mib
before = peak_mib()
large = bytearray(64 << 20)
large[::4096] = b'x'*len(large[::4096])
del large
print(before, peak_mib())"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    before,after = map(float, done.stdout.split())
    assert 10 < before < after - 60
