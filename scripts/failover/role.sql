CREATE ROLE backlog_writer LOGIN PASSWORD 'WRITER_PASSWORD';
CREATE DATABASE work OWNER backlog_writer;
ALTER ROLE backlog_writer SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE backlog_writer SET tcp_keepalives_idle = '30s';
ALTER ROLE backlog_writer SET tcp_user_timeout = '30s';
