\set ECHO none
-- What every SQL test begins with: the extension, and its wrappers on Python's path.
--
-- Tracebacks are left out of the messages, because every version of Python words them a little
-- differently; the test "errors" shows one.
\set wrappers :srcdir '/wrappers'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS multicorn;
RESET client_min_messages;
SET multicorn.python_path = :'wrappers';
SET multicorn.show_traceback = off;
\set ECHO all
