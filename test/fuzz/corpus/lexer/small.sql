a--
-- PostgreSQL database dump
--

\restrict Key1

SET standard_conforming_strings = on;
CREATE TABLE public.t (a int);
COPY public.t (a) FROM stdin;
1
\N
\.

SELECT pg_catalog.setval('s', 1, true);
--
-- PostgreSQL database dump complete
--

\unrestrict Key1

