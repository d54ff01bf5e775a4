/* sql/multicorn--0.9.0--1.0.0.sql */

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION multicorn UPDATE TO '1.0.0'" to load this file. \quit

-- There is no script that installs 1.0.0 at once: CREATE EXTENSION runs the one for 0.9.0 and then
-- this one, so that what is new is written once, and an update gives what a fresh install does.
