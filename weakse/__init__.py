__version__ = "0.1.0"

# OpenMP reads this when torch is loaded, so it stands here, in front of every module: threads that wait for one another
# sleep. Spinning, they keep the core from the one they wait for, and a single busy core slows a training 5 to 20 times.
import os as _os
_os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
