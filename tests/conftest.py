"What every test stands on: one thread, no window, no cache folder of the person who runs it."
import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'agg')
