CREATE TABLE auth_user (
    id serial PRIMARY KEY,
    username text NOT NULL,
    password text NOT NULL DEFAULT '!'
);
INSERT INTO auth_user (username) VALUES ('admin'), (:'NAME');
