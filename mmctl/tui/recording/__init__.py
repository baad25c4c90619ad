"""Recordings of the dashboard: what every engine answered, byte for byte, so that a replay fills the same screens.

A recording is one SQLite file (``application_id`` 0x6D6D7265, ``user_version`` = the format's number, here 1):

* ``about(target, made_ns, release, pace_s)``: one row; the target's name, when the file was begun and by which mmctl,
  and the seconds between two frames.
* ``engine(id, name)``: the engines in it.
* ``chunk(id, engine, first_ns, last_ns, frames, good_ns, dictionary, head, numbers)``: some minutes of one engine's
  frames. ``good_ns``: time of the last frame before it that held an answer, 0 for none. ``head`` is zstd against the
  content of ``dictionary``, ``numbers`` is plain zstd; both are described in ``bodies.py`` and ``chunk.py``.
* ``dictionary(id, engine, data)``: what heads are compressed against: the head of an earlier chunk. The heads of one
  engine hold nearly the same text (keys, metric names, constants), which is so kept once.
* ``tail(engine, ns, data)``: the frames since the last chunk, one row each, committed as they come: a recorder that is
  killed loses at most the frame it was writing. Each is zstd against the one before it.
* ``mark(engine, ns, kind, level, text)``: the timeline: breaches that began or ended, fills, events, polls without an
  answer. ``ns`` as of frames.

A frame is one poll: an answer, or the reason why none came. Frame times are ns since 1970 on a clock that never goes
back (``timeline.py``). Times in the answers are left as they came.

Why columns: of 24 h at one frame a second of one engine that trades (36 kB of state, metrics, orders, events and
reasons a frame) zstd a frame with a trained dictionary, as dolphie records, keeps 456 MB, each frame as a difference to
the one before 65 MB, columns 27 MB. With fills, a book and latencies, kept as ``bounds.py`` says, some 45 MB.
"""
