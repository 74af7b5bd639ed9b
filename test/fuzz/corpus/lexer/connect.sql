d\connect other
