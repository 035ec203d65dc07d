DROP TABLE rooms;
