"""What millions of clips cost, as `make bench` prints it: detection, the store's memory and speed, mining.

Alone: `python tests/bench_scale.py [part ...]`. Mining is timed by the processor it takes, since others may be
at work on the machine."""
import json, os, subprocess, sys, tempfile, time
from pathlib import Path
import numpy as np, torch
from bench_rows import row, told

def detecting(batch_size=8):
    "Clips of ten seconds a second for each detector at 32 kHz, against one at a time; and all of AudioSet."
    from weakse.core.labels import audioset_vocabulary
    from weakse.core.threads import torch_threads
    from weakse.detectors.efficientat import EfficientAT
    from weakse.detectors.small import SmallDetector
    from weakse.mining.millions import audioset_plan, hearing_cost, reading_rate
    costs = {}
    with torch_threads(1), torch.no_grad():
        small = SmallDetector(audioset_vocabulary(), sample_rate=32000)
        for name,net in (('small', small), ('efficientat', EfficientAT())):
            costs[name] = cost = hearing_cost(net.eval(), batch_size=batch_size)
            shape = f"{batch_size} clips of 10 s at 32 kHz, {cost['gflop']:.1f} GFLOP a clip; processor time"
            yield row(f'detection, {name}, one thread', cost['clips_per_second'], 'clips/s', shape)
            yield row(
                f'detection, {name}, against one clip at a time', cost['clips_per_second']/cost['one_by_one'], 'x', shape)
        reading = reading_rate()
    yield row('decoding, one processor', reading, 'clips/s', 'of 10 s, FLAC at 32 kHz')
    for r in audioset_plan(costs, reading=reading).itertuples():
        yield row(
            f'all of AudioSet, {r.detector}, {r.n} {r.what}', r.hours, 'h', f'drawn out; ${r.price:,.2f} at the prices of the plan')

def memory(n=2000):
    "Growth of the peak from 5,000 to 100,000 anchors of a tenth of a second, each in a process of its own."
    import multiprocessing
    from test_scale import peak
    grown = []
    for clips in (n//20, n):
        ours,theirs = os.pipe()
        with tempfile.TemporaryDirectory() as d:
            fork = multiprocessing.get_context('fork')
            child = fork.Process(target=peak, args=(clips, Path(d)/'a', theirs))
            child.start()
            child.join()
        grown.append(int(os.read(ours, 99)))
    more,anchors = grown[1] - grown[0],50*(n - n//20)
    floats = 4*800*anchors
    yield row(
        f'detecting {50*n:,} anchors, memory beyond {50*n//20:,}', more/1e6, 'MB',
        f'{floats/more:.0f} times less than their audio as floats; {more/anchors:.0f} bytes an anchor, '
        f'{more/anchors*4.2e6/1e9:.1f} GB if all of AudioSet gave 4.2 million')

def _forget(folder):
    "Ask the system to drop what it keeps of the files of a folder."
    for p in Path(folder).rglob('*.npy'):
        with open(p, 'rb') as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

def store_reading(n=4000, shard=500, batch=24, batches=60):
    "Anchors a second that are read at random from shards, 2 s at 32 kHz with 527 tags, cold and from memory."
    import pandas as pd
    from weakse.core.labels import audioset_vocabulary
    from weakse.mining.anchor_shards import record_type, write_shard
    from weakse.mining.anchor_store import read_anchors, write_index
    names,rng = audioset_vocabulary(),np.random.default_rng(0)
    kind = record_type(len(names), 64000)
    with tempfile.TemporaryDirectory() as d:
        start = time.perf_counter()
        for s in range(n//shard):
            records = np.zeros(shard, kind)
            records['audio'] = rng.integers(-3000, 3000, (shard, 64000), np.int16)
            write_shard(d, s, records, {})
        written = n/(time.perf_counter() - start)
        table = pd.DataFrame({
            'clip': np.arange(n), 'file': 'a', 'class': np.array(names.names)[np.arange(n) % len(names)],
            'start': 0., 'area': 1., 'level_db': -20.})
        place = np.stack([np.arange(n)//shard, np.arange(n) % shard], 1)
        write_index(Path(d), table, place, [shard]*(n//shard), names, dict(sample_rate=32000, seconds=2.))
        yield row('anchors written', written, 'anchors/s', 'of 2 s at 32 kHz, with noise made for them; by the clock')
        def read():
            store,draws = read_anchors(d),np.random.default_rng(1)
            start = time.perf_counter()
            for _ in range(batches):
                at = draws.integers(n, size=batch)
                store.wav(at), store.tags[at]
            return batch*batches/(time.perf_counter() - start)
        _forget(d)
        cold = read()
        warm = max(read() for _ in range(3))
        shape = f'batches of {batch} from {n:,} anchors of 2 s at 32 kHz, 527 tags; by the clock'
        yield row('anchors read at random, warm', warm, 'anchors/s', shape)
        yield row('anchors read at random, cold', cold, 'anchors/s', f'{shape}, after the system was asked to forget the files')
        yield row('anchors read at random, warm against cold', warm/cold, 'x', shape)

miner = '''
import json, sys
sys.path.insert(0, "tests")
from bench_rows import peak_mib
from weakse.mining.millions import mining_cost
found = mining_cost(2_000_000, n_batches=20_000)
print(json.dumps(found | dict(peak=peak_mib()*1024**2/1e9)))
'''

def mining_millions():
    "Two million anchors of 527 classes, in a process of its own."
    out = subprocess.run(
        [sys.executable, '-c', miner], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    found = json.loads(out.stdout.splitlines()[-1])
    yield row(
        'mining two million anchors', found['epoch']/60, 'min',
        f"of one processor, 527 classes: sets {found['sets']:.0f} s, a mini-batch {1000*found['batch']:.2f} ms, as many draws as anchors")
    yield row('mining two million anchors, memory', found['peak'], 'GB', 'at most, with Python and torch', below=1)

parts = detecting, memory, store_reading, mining_millions

if __name__=='__main__':
    wanted = sys.argv[1:]
    for part in parts:
        if wanted and part.__name__ not in wanted: continue
        for r in part():
            print(*told(r), sep=' | ', flush=True)
