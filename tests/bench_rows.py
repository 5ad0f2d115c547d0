"""How a part of `make bench` tells what it measured, and how it measures it."""
import contextlib, resource, sys, time
from pathlib import Path
from weakse.core.devices import blocks_kept

def row(what, value, unit, note='', *, wants=None, below=None, only=True):
    "A measured number; `wants` is the least it should be, `below` the most, where `only` holds."
    goal = {} if not only else {'wants': wants} if wants is not None else {'below': below} if below is not None else {}
    return dict(what=what, value=float(f'{value:.4g}'), unit=unit, note=note, **goal)

def left_out(what, why):
    "What could not be measured here."
    return dict(what=what, note=f'left out: {why}')

def told(r):
    "A row as it is printed: what, measured, note."
    goal = f"; at least {r['wants']:g}" if 'wants' in r else f"; at most {r['below']:g}" if 'below' in r else ''
    return r['what'],(f"{r['value']:g} {r['unit']}" if 'value' in r else '-'),r['note'] + goal

def seconds(f, n=1):
    "Seconds of a call by the clock, the best of `n`."
    best = float('inf')
    for _ in range(n):
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter() - start)
    return best

def processor_seconds(fs, rounds):
    "Processor time of each of several calls, by turns, the best of some rounds."
    best = [float('inf')]*len(fs)
    with blocks_kept():
        for _ in range(rounds):
            for i,f in enumerate(fs):
                start = time.process_time()
                f()
                best[i] = min(best[i], time.process_time() - start)
    return best

def peak_mib():
    """The most memory that this process has had, MiB. What `getrusage` says begins, after an exec, with what the process had
    that started it; Linux says it without."""
    status = Path('/proc/self/status')
    if status.is_file():
        return next(int(line.split()[1])/1024 for line in status.read_text().splitlines() if line.startswith('VmHWM'))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/(1024**2 if sys.platform=='darwin' else 1024)

@contextlib.contextmanager
def clocked(places):
    "Yields the processor time spent in functions while inside, name -> s; `places` is name -> [(object, attribute)]."
    spent = dict.fromkeys(places, 0.)
    kept = [(name, owner, key, getattr(owner, key)) for name,all in places.items() for owner,key in all]
    def timed(name, f):
        def g(*args, **how):
            start = time.process_time()
            try:
                return f(*args, **how)
            finally:
                spent[name] += time.process_time() - start
        return g
    for name,owner,key,f in kept: setattr(owner, key, timed(name, f))
    try:
        yield spent
    finally:
        for _,owner,key,f in kept: setattr(owner, key, f)
